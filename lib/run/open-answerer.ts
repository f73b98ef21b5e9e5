/** A model that answers questions: that of a run, of one of its checkpoints, or of an export. */

import { TristageError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { type ImageTransform, loadImage } from '../data/image.ts';
import type { ImageRef } from '../data/sample.ts';
import { llama2Tokenizer, type Tokenizer } from '../data/tokenizer.ts';
import { openTokenizerFile } from '../data/tokenizer-file.ts';
import { pruneTokenizer } from '../data/vocabulary.ts';
import { type DeviceChoice, type EngineInfo, type EngineName, openEngine } from '../engine/engine.ts';
import { reloadedModel } from '../export/export.ts';
import { EXPORT_FILES, isExport } from '../export/manifest.ts';
import type { OutsidePlaces } from '../export/request.ts';
import { checkOutside, openExport } from '../export/verify.ts';
import type { MiniGpt } from '../model/minigpt.ts';
import { announceEngine } from './announce-engine.ts';
import type { Registry } from './config.ts';
import { openRunFeatures, type RunFeatures } from './feature-cache.ts';
import { modelConfigOf } from './model-config.ts';
import { openRun } from './open-run.ts';
import { storageOf } from './storage.ts';
import { tokenizerOf } from './vocabulary.ts';
import { assembleModel } from './weights.ts';

export interface AnswererRequest {
  /** Run folder, one of its checkpoints, or the folder of an export. */
  checkpoint: string;
  /** Where published parts lie, where that is not the place that the run or the export names. */
  outside?: OutsidePlaces | undefined;
  /** Default: as the run was trained; for an export the first that works. */
  engine?: EngineName | undefined;
  device?: DeviceChoice | undefined;
  registry: Registry;
  logger: Logger;
}

/** A model on the engine that is open; whoever opened it frees it. */
export interface Answerer {
  model: MiniGpt;
  tokenizer: Tokenizer;
  /** u8[S, S, 3], as training saw images. */
  load(image: ImageRef): Promise<Uint8Array>;
  /** The cache of features of the run, where it has one. */
  features?: RunFeatures | undefined;
}

/**
 * Reads a model and opens the engine that it needs.
 * @throws TristageError E_NO_CHECKPOINT and the errors of reading a run, E_EXPORT_* and those of reading an export
 */
export async function openAnswerer(request: AnswererRequest): Promise<Answerer> {
  return isExport(request.checkpoint) ? openExported(request) : openTrained(request);
}

async function openTrained(request: AnswererRequest): Promise<Answerer> {
  const { config, checkpoint, registry } = await openRun(request.checkpoint, { registry: request.registry });
  const tokenizer = await tokenizerOf(checkpoint, config);
  const { backend, device, threads, precision } = config.engine;
  const engine = await openFor(request, { backend, device, threads, precision });
  const { model } = await assembleModel({
    config: modelConfigOf(config),
    weights: { ...config.model.weights, ...request.outside },
    checkpoint: checkpoint.modelFile,
    trainable: () => false,
    storage: storageOf(config, registry),
    seed: config.train.seed,
  });
  const features = await openRunFeatures({ config, model, engine, logger: request.logger, existing: true });
  return { ...answerer(model, { tokenizer, transform: config.data.transform }), features };
}

async function openExported(request: AnswererRequest): Promise<Answerer> {
  const { checkpoint: folder, outside } = request;
  const { manifest, format, context } = await openExport(folder, outside);
  await checkOutside(context.outside);
  const { kept, kind } = manifest.tokenizer;
  const whole = kind === 'llama-2' ? await llama2Tokenizer() : (await openTokenizerFile(folder)).tokenizer;
  const tokenizer = kept === undefined ? whole : pruneTokenizer(whole, kept);
  const transform = transformOf(manifest.image.transform, folder);
  await openFor(request, { backend: 'auto', device: 'auto' });
  return answerer(await reloadedModel(folder, { format, context }), { tokenizer, transform });
}

async function openFor(
  { engine: backend, device, logger }: AnswererRequest,
  usual: Parameters<typeof openEngine>[0],
): Promise<EngineInfo> {
  const engine = await openEngine({ ...usual, ...(backend && { backend }), ...(device && { device }) });
  announceEngine(logger, engine);
  return engine;
}

function answerer(model: MiniGpt, how: { tokenizer: Tokenizer; transform: ImageTransform }): Answerer {
  const size = model.config.vision.imageSize;
  return { model, tokenizer: how.tokenizer, load: (image) => loadImage(image, { size, transform: how.transform }) };
}

const TRANSFORMS: readonly ImageTransform[] = ['pillow-bicubic', 'sharp-cubic'];

function transformOf(name: string, folder: string): ImageTransform {
  const transform = TRANSFORMS.find((known) => known === name);
  if (transform !== undefined) return transform;
  throw new TristageError({
    kind: 'checkpoint',
    code: 'E_EXPORT_MANIFEST',
    message: 'the export resizes images in a way that is not known here',
    where: `${folder}/${EXPORT_FILES.manifest}: image.transform`,
    found: name,
    expected: TRANSFORMS.join(', '),
    fix: 'use the version of tristage that made it',
  });
}

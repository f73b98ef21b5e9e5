/** `tristage export`: writes the model of a run in a format that other programs load. */

import { existsSync, readdirSync } from 'node:fs';
import { tensorSources } from '../checkpoint/tensors.ts';
import { closest } from '../config/suggest.ts';
import { TristageError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { pruneTokenizer } from '../data/vocabulary.ts';
import { type DeviceChoice, type EngineName, openEngine } from '../engine/engine.ts';
import { exportModel } from '../export/export.ts';
import type { ExportFormat, ExportVocabulary } from '../export/format.ts';
import { EXPORT_FORMATS } from '../export/formats.ts';
import { type ExportFacts, type ExportManifest, isExport } from '../export/manifest.ts';
import type { ExportOptions } from '../export/request.ts';
import { announceEngine } from './announce-engine.ts';
import { type Registry, stageOf } from './config.ts';
import { exportedParts } from './export-parts.ts';
import { recordExport } from './exports.ts';
import { packageVersion } from './facts.ts';
import { ancestorOf, lineageOf } from './lineage.ts';
import { modelConfigOf } from './model-config.ts';
import { type OpenedRun, openRun } from './open-run.ts';
import { openTokenizer } from './tokenizer.ts';
import { VISION_FILES } from './vision-file.ts';
import { knownTokenizer, piecesOf } from './vocabulary.ts';
import { assembleModel } from './weights.ts';

/** What is exported, and how. */
export interface ExportSettings {
  /** Run folder, or one of its checkpoints. */
  checkpoint: string;
  /** Name of a format. */
  format: string;
  /** A new or empty folder; with `replace`, an earlier export may be there. */
  out: string;
  replace?: boolean | undefined;
  options?: ExportOptions | undefined;
  /** Default: as the run was trained. */
  engine?: EngineName | undefined;
  device?: DeviceChoice | undefined;
}

export interface ExportRunRequest extends ExportSettings {
  registry: Registry;
  logger: Logger;
}

/** An export that was published. */
export interface RunExport {
  folder: string;
  manifest: ExportManifest;
}

/**
 * Exports a checkpoint; what it wrote is read back and compared before it appears.
 * @throws TristageError E_EXPORT_FORMAT, E_EXPORT_OPTION, E_OUT_EXISTS and E_OUT_FOREIGN for a request that cannot be met,
 *   E_EXPORT_PARITY when the export answers otherwise than the model, and the errors of opening a run
 */
export async function exportRun(request: ExportRunRequest): Promise<RunExport> {
  const { registry, logger, out, options = {}, replace = false } = request;
  const format = formatOf(request.format);
  checkOut(out, replace);
  const run = await openRun(request.checkpoint, { registry });
  refuseTower(run);
  const { backend, device, threads } = run.config.engine;
  const engine = await openEngine({ backend: request.engine ?? backend, device: request.device ?? device, threads });
  announceEngine(logger, engine);
  const { model, stored, external } = await assembleModel({
    config: modelConfigOf(run.config),
    weights: run.config.model.weights,
    checkpoint: run.checkpoint.modelFile,
    trainable: () => false,
    seed: run.config.train.seed,
  });
  const manifest = await exportModel({
    format,
    options,
    subject: {
      config: model.config,
      weights: tensorSources(model.store),
      ...(await exportedParts(run.config, { stored, external })),
      vocabulary: await vocabularyOf(run),
    },
    model,
    facts: await factsOf(run),
    engine: `${engine.backend} ${engine.version} on ${engine.device}`,
    out,
  });
  await recordExport(run.folder, out, manifest).catch((error: Error) => {
    logger.warn(`the export is not noted in the folder of its run: ${error.message}`);
  });
  return { folder: out, manifest };
}

function formatOf(name: string): ExportFormat {
  const format = EXPORT_FORMATS.find((known) => known.name === name);
  if (format !== undefined) return format;
  const names = EXPORT_FORMATS.map((known) => known.name);
  const suggestion = closest(name, names);
  throw new TristageError({
    kind: 'usage',
    code: 'E_EXPORT_FORMAT',
    message: 'there is no such export format',
    found: name,
    expected: names.join(', '),
    ...(suggestion === undefined ? {} : { fix: `did you mean --format ${suggestion}?` }),
  });
}

/** A folder with content is only replaced when it is an export and that was asked for. */
function checkOut(out: string, replace: boolean): void {
  const names = existsSync(out) ? namesIn(out) : [];
  if (names.length === 0) return;
  const earlier = isExport(out);
  if (earlier && replace) return;
  throw new TristageError({
    kind: 'usage',
    code: earlier ? 'E_OUT_EXISTS' : 'E_OUT_FOREIGN',
    message: earlier ? 'there is an export already' : 'the folder holds something else than an export',
    where: out,
    found: names.slice(0, 5).join(', '),
    expected: 'a new or empty folder',
    fix: earlier ? 'choose another --out, or add --replace' : 'choose another --out',
  });
}

function namesIn(out: string): string[] {
  try {
    return readdirSync(out);
  } catch (error) {
    throw new TristageError({
      kind: 'usage',
      code: 'E_OUT',
      message: 'the folder of the export cannot be used',
      where: out,
      found: (error as NodeJS.ErrnoException).code ?? String(error),
      expected: 'a folder, or a name that is free',
      fix: 'choose another --out',
      cause: error,
    });
  }
}

/** A run that trains a vision tower alone has no model that could be spoken to. */
function refuseTower({ config, registry, folder }: OpenedRun): void {
  if (stageOf(config, registry).objective !== 'patches') return;
  throw new TristageError({
    kind: 'usage',
    code: 'E_EXPORT_FORMAT',
    message: 'a run of the vision tower alone is not exported',
    where: folder,
    found: config.stage,
    expected: 'a run of a whole model',
    fix: `take ${VISION_FILES.weights} of the run as it is: other programs read it`,
  });
}

/** Which pieces of the tokenizer the model knows. */
async function vocabularyOf({ config, checkpoint }: OpenedRun): Promise<ExportVocabulary> {
  const { whole, file } = await openTokenizer(config.model, knownTokenizer(checkpoint));
  const kept = piecesOf(checkpoint);
  return { whole, kept, file, tokenizer: kept === undefined ? whole : pruneTokenizer(whole, kept) };
}

async function factsOf({ config, checkpoint }: OpenedRun): Promise<ExportFacts> {
  const own = await ancestorOf(config, checkpoint);
  return {
    name: config.name,
    stage: config.stage,
    step: checkpoint.step,
    tristage: packageVersion(),
    lineage: [own, ...lineageOf(checkpoint)].map((run) => ({ ...run, sources: [...run.sources] })),
    transform: config.data.transform,
  };
}

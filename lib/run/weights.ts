/** The start values of a run: a checkpoint, then published files, then random numbers; and what a checkpoint of it must hold. */

import { readWeights } from '../checkpoint/import.ts';
import { checkLlamaSettings, publishedLlama } from '../checkpoint/llama-settings.ts';
import { type Checkpoint, latestGood, openCheckpoint } from '../checkpoint/store.ts';
import { openWeights } from '../checkpoint/weights-file.ts';
import type { RunConfig } from '../config/schema.ts';
import { TristageError } from '../core/errors.ts';
import { sha256File } from '../core/hash.ts';
import { type HostTensor, toFloat32 } from '../formats/host-tensor.ts';
import type { ModelConfig } from '../model/config.ts';
import { createMiniGpt, type MiniGpt } from '../model/minigpt.ts';
import { modelShapes, POS_EMBED, type ShapeTable } from '../model/shapes.ts';
import type { HostWeight } from '../model/store.ts';
import { groupOf } from '../train/trainable.ts';
import { type WeightsPart, weightsParts } from './model-config.ts';

/** A published file that a checkpoint refers to instead of holding its weights. */
export interface ExternalFile {
  path: string;
  /** What it was read for. */
  part: WeightsPart['key'];
  sha256: string;
  bytes: number;
}

export interface AssembleRequest {
  config: ModelConfig;
  weights: RunConfig['model']['weights'];
  /** model.safetensors of the run's own checkpoint, when it goes on or is asked. */
  checkpoint?: string | undefined;
  /** Weights of what the run starts from. */
  init?: StartWeights | undefined;
  trainable: (name: string) => boolean;
  seed: number;
}

export interface Assembled {
  model: MiniGpt;
  /** Names that a checkpoint must hold: everything but frozen weights of published files. */
  stored: ReadonlySet<string>;
  /** Files that hold the other names. */
  external: readonly ExternalFile[];
}

interface Loaded {
  values: Map<string, HostWeight>;
  external: Set<string>;
  files: Map<string, WeightsPart['key']>;
}

/**
 * Creates the model of a run on the engine that is open.
 * @throws TristageError E_WEIGHT_* for files that do not fit the model, naming file and key
 */
export async function assembleModel(request: AssembleRequest): Promise<Assembled> {
  const { config, checkpoint, init, trainable, seed } = request;
  const shapes = modelShapes(config);
  const loaded: Loaded = { values: new Map(), external: new Set(), files: new Map() };
  const own = checkpoint === undefined ? init : checkpointWeights(checkpoint);
  if (own !== undefined) for (const [name, weight] of await own.read(shapes)) loaded.values.set(name, weight);
  await loadPublished(request, loaded);
  checkComplete(request, shapes, loaded);
  const stored = new Set([...shapes.keys()].filter((name) => trainable(name) || !loaded.external.has(name)));
  const model = createMiniGpt({ config, trainable, seed, source: (name) => takeFrom(loaded.values, name) });
  return { model, stored, external: await hashFiles(loaded.files) };
}

/** Gives a weight away, so that the host's copy can go as soon as the engine has its own. */
function takeFrom(values: Map<string, HostWeight>, name: string): HostWeight | undefined {
  const weight = values.get(name);
  values.delete(name);
  return weight;
}

/** Whether a weight may come in the shape of another grid. */
const isPosEmbed = (name: string, shape: readonly number[]): boolean => name === POS_EMBED && shape.length === 3;

/** Weights to start from. */
export interface StartWeights {
  /** What holds them, for messages. */
  where: string;
  /**
   * @param shapes every weight of the model that is to be made
   * @returns those that are there
   */
  read(shapes: ShapeTable): Promise<ReadonlyMap<string, HostWeight>>;
}

/** The weights in model.safetensors of a checkpoint. */
export function checkpointWeights(path: string): StartWeights {
  return {
    where: path,
    read: async (expected) => {
      const { tensors } = await readWeights({ path, expected, optional: () => true, acceptShape: isPosEmbed });
      return hostWeights(tensors);
    },
  };
}

function hostWeights(tensors: ReadonlyMap<string, HostTensor>): Map<string, HostWeight> {
  return new Map([...tensors].map(([name, tensor]) => [name, { shape: tensor.shape, values: toFloat32(tensor) }]));
}

async function loadPublished({ config, weights }: AssembleRequest, loaded: Loaded): Promise<void> {
  const known = modelShapes(config);
  for (const { key, shapes, optional } of weightsParts(config)) {
    const path = weights[key];
    const expected = new Map([...shapes].filter(([name]) => !loaded.values.has(name)));
    if (path === undefined || expected.size === 0) continue;
    if (key === 'llm') await checkLanguageModel(config, path);
    const { tensors } = await readWeights({
      path,
      expected,
      optional,
      ignore: (name) => known.has(name),
      acceptShape: isPosEmbed,
      vitDepth: config.vision.depth,
    });
    for (const [name, weight] of hostWeights(tensors)) loaded.values.set(name, weight);
    for (const name of tensors.keys()) loaded.external.add(name);
    for (const file of await filesOf(path)) loaded.files.set(file, key);
  }
}

/**
 * Holds a run's language model against what its published weights say of themselves.
 * @throws TristageError E_LLAMA_MISMATCH, E_LLAMA_CONFIG
 */
export async function checkLanguageModel(config: ModelConfig, path: string): Promise<void> {
  const published = await publishedLlama(path);
  if (published !== undefined) checkLlamaSettings(config.llm, published);
}

/** The files behind a path of weights. */
async function filesOf(path: string): Promise<Set<string>> {
  const opened = await openWeights(path);
  await opened.close();
  return new Set([...opened.entries.values()].map(({ file }) => file));
}

async function hashFiles(files: Loaded['files']): Promise<ExternalFile[]> {
  const hashed: ExternalFile[] = [];
  for (const [path, part] of files) {
    const { hash, bytes } = await sha256File(path);
    hashed.push({ path, part, sha256: hash, bytes });
  }
  return hashed;
}

/** A run that goes on lacks nothing; a run that starts from another may add adapters, which begin at random. */
function checkComplete({ checkpoint, init }: AssembleRequest, shapes: ShapeTable, { values }: Loaded): void {
  const own = checkpoint ?? init?.where;
  if (own === undefined) return;
  const mayBeNew = (name: string) => checkpoint === undefined && groupOf(name) === 'lora';
  const missing = [...shapes.keys()].filter((name) => !values.has(name) && !mayBeNew(name));
  if (missing.length > 0) throw missingError(own, missing);
}

function missingError(where: string, names: readonly string[]): TristageError {
  return new TristageError({
    kind: 'checkpoint',
    code: 'E_WEIGHT_MISSING',
    message: 'weights of the model are neither in the checkpoint nor in published files',
    where,
    found: `${names.length} missing, such as ${names.slice(0, 3).join(', ')}`,
    expected: 'every weight of the configured model',
    fix: 'name the published files under model.weights, as the run that wrote the checkpoint did',
  });
}

/**
 * The newest good checkpoint of a run folder, or the one whose folder is named.
 * @throws TristageError E_NO_CHECKPOINT, E_CHECKPOINT_DAMAGED
 */
export async function checkpointOf(path: string): Promise<Checkpoint> {
  const { checkpoint, damaged } = await latestGood(path);
  if (checkpoint !== undefined) return checkpoint;
  if (damaged[0] !== undefined) throw damaged[0].error;
  return openCheckpoint(path).catch(() => Promise.reject(noCheckpoint(path)));
}

/** The error of a place that holds no checkpoint. */
export function noCheckpoint(path: string): TristageError {
  return new TristageError({
    kind: 'checkpoint',
    code: 'E_NO_CHECKPOINT',
    message: 'there is no checkpoint that can be used',
    where: path,
    found: 'no whole checkpoint',
    expected: 'a run folder with checkpoints, or one checkpoint folder',
    fix: 'check the path; train the run first',
  });
}

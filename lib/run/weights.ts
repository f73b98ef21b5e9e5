/** The start values of a run: a checkpoint, then published files, then random numbers; and what a checkpoint of it must hold. */

import { type ImportReport, type OpenImport, openImport } from '../checkpoint/import.ts';
import { type Checkpoint, latestGood, openCheckpoint } from '../checkpoint/store.ts';
import type { RunConfig } from '../config/schema.ts';
import { TristageError } from '../core/errors.ts';
import { sha256File } from '../core/hash.ts';
import { lendBytes } from '../engine/lend.ts';
import { bfloat16Words, toFloat32 } from '../formats/host-tensor.ts';
import type { ModelConfig } from '../model/config.ts';
import { loadMiniGpt, type MiniGpt } from '../model/minigpt.ts';
import { modelShapes, type ShapeTable } from '../model/shapes.ts';
import type { LoadedWeight, WeightStorage } from '../model/store.ts';
import { groupOf } from '../train/trainable.ts';
import { type WeightsPart, weightsParts } from './model-config.ts';
import { checkAdapters, checkLanguageModel, isPosEmbed, missingError, publishedRequest } from './published.ts';

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
  /** In which format frozen weights lie on the engine. Default: float32. */
  storage?: WeightStorage | undefined;
}

export interface Assembled {
  model: MiniGpt;
  /** Names that a checkpoint must hold: everything but frozen weights of published files. */
  stored: ReadonlySet<string>;
  /** Names that nothing held: they begin with random numbers. */
  random: ReadonlySet<string>;
  /** Files that hold the other names. */
  external: readonly ExternalFile[];
  /** What each file was found to hold. */
  loads: readonly WeightsLoad[];
}

/** What one file of weights was found to hold. */
export interface WeightsLoad {
  part: WeightsPart['key'] | 'checkpoint';
  report: ImportReport;
}

/** Where the weights of a model come from, all checked and none read. */
interface Sources {
  /** Name -> what holds it. */
  holders: Map<string, Pick<OpenWeights, 'read'>>;
  /** Names that published files hold. */
  external: Set<string>;
  files: Map<string, WeightsPart['key']>;
  loads: WeightsLoad[];
  opened: OpenWeights[];
}

/**
 * Creates the model of a run on the engine that is open. Everything is checked first; then weights go to the engine one at a time.
 * @throws TristageError E_WEIGHT_* for files that do not fit the model, naming file and key; E_LLAMA_MISMATCH
 */
export async function assembleModel(request: AssembleRequest): Promise<Assembled> {
  const { config, checkpoint, init, trainable, seed, storage } = request;
  const shapes = modelShapes(config);
  const dtypeOf = fileDtypes(shapes, request);
  const sources: Sources = { holders: new Map(), external: new Set(), files: new Map(), loads: [], opened: [] };
  try {
    const own = checkpoint === undefined ? init : checkpointWeights(checkpoint);
    if (own !== undefined) openOwn(await own.open(shapes, dtypeOf), sources);
    await openPublished(request, { dtypeOf, sources });
    checkComplete(request, shapes, sources);
    const stored = new Set([...shapes.keys()].filter((name) => trainable(name) || !sources.external.has(name)));
    const random = new Set([...shapes.keys()].filter((name) => !sources.holders.has(name)));
    const source = async (name: string) => sources.holders.get(name)?.read(name);
    const model = await loadMiniGpt({ config, trainable, seed, source, storage });
    return { model, stored, random, external: await hashFiles(sources.files), loads: sources.loads };
  } finally {
    for (const { close } of sources.opened) await close();
  }
}

/** How a weight is read: as bfloat16 where it will lie in that, else as float32. */
export type FileDtypes = (name: string) => 'F32' | 'BF16';

function fileDtypes(shapes: ShapeTable, { storage, trainable }: AssembleRequest): FileDtypes {
  return (name) => (!trainable(name) && storage?.(name, shapes.get(name) ?? []) === 'bf16' ? 'BF16' : 'F32');
}

/** Weights that are there and have not been read. */
export interface OpenWeights {
  names: Iterable<string>;
  /** What a file was found to hold. */
  report?: ImportReport | undefined;
  /** One of the names, in fresh memory. */
  read(name: string): Promise<LoadedWeight | undefined>;
  close(): Promise<void>;
}

/** Weights to start from. */
export interface StartWeights {
  /** What holds them, for messages. */
  where: string;
  /**
   * @param shapes every weight of the model that is to be made
   * @param dtypeOf how they are read; absent: as float32
   * @returns those that are there
   */
  open(shapes: ShapeTable, dtypeOf?: FileDtypes): Promise<OpenWeights>;
}

/** The weights in model.safetensors of a checkpoint. */
export function checkpointWeights(path: string): StartWeights {
  return {
    where: path,
    open: async (expected, dtype = () => 'F32') => {
      const ours = { path, expected, optional: () => true, acceptShape: isPosEmbed };
      return openedWeights(await openImport({ ...ours, dtype, allocate: lendBytes }));
    },
  };
}

/** Weights that were opened for the import, as the model takes them: what was read as BF16 stays raw words. */
export function openedWeights({ report, read, close }: OpenImport): OpenWeights {
  const weight = async (name: string): Promise<LoadedWeight> => {
    const tensor = await read(name);
    return { shape: tensor.shape, values: tensor.dtype === 'BF16' ? bfloat16Words(tensor) : toFloat32(tensor) };
  };
  return { names: report.found, report, read: weight, close };
}

function openOwn(weights: OpenWeights, { holders, loads, opened }: Sources): void {
  opened.push(weights);
  for (const name of weights.names) holders.set(name, weights);
  if (weights.report !== undefined) loads.push({ part: 'checkpoint', report: weights.report });
}

async function openPublished(
  { config, weights }: AssembleRequest,
  { dtypeOf, sources }: { dtypeOf: FileDtypes; sources: Sources },
): Promise<void> {
  for (const { key, shapes, optional } of weightsParts(config)) {
    const path = weights[key];
    const expected = new Map([...shapes].filter(([name]) => !sources.holders.has(name)));
    if (path === undefined || expected.size === 0) continue;
    if (key === 'llm') await checkLanguageModel(config, path);
    const found = await openImport({
      ...publishedRequest(config, { path, expected, optional }),
      dtype: dtypeOf,
      allocate: lendBytes,
    });
    const part = openedWeights(found);
    sources.opened.push(part);
    checkAdapters(found.report);
    sources.loads.push({ part: key, report: found.report });
    for (const name of part.names) {
      sources.holders.set(name, part);
      sources.external.add(name);
    }
    for (const file of found.files) sources.files.set(file, key);
  }
}

async function hashFiles(files: Sources['files']): Promise<ExternalFile[]> {
  const hashed: ExternalFile[] = [];
  for (const [path, part] of files) {
    const { hash, bytes } = await sha256File(path);
    hashed.push({ path, part, sha256: hash, bytes });
  }
  return hashed;
}

/** A run that goes on lacks nothing; a run that starts from another may add adapters, which begin at random. */
function checkComplete({ checkpoint, init }: AssembleRequest, shapes: ShapeTable, { holders }: Sources): void {
  const own = checkpoint ?? init?.where;
  if (own === undefined) return;
  const mayBeNew = (name: string) => checkpoint === undefined && groupOf(name) === 'lora';
  const missing = [...shapes.keys()].filter((name) => !holders.has(name) && !mayBeNew(name));
  if (missing.length > 0) throw missingError(own, missing);
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

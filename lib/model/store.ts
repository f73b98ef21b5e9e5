/** Weights on the device: a flat store under published names. */
import { TristageError } from '../core/errors.ts';
import { narrowTensor } from '../engine/narrow.ts';
import type { Precision } from '../engine/precision.ts';
import { type Tensor, tf, type Variable } from '../engine/tf.ts';
import { initialValues } from './init.ts';
import { POS_EMBED, type ShapeTable } from './shapes.ts';
import { posEmbedGrid, resizePosEmbed } from './vision/pos-embed.ts';

/** In-memory published name -> weight. A `tf.Variable` may train; any other tensor is frozen. */
export type ParamStore = ReadonlyMap<string, Tensor>;

/** A weight on the host, row-major. */
export interface HostWeight {
  shape: readonly number[];
  values: Float32Array;
}

/** A weight as a file may hold it: raw bfloat16 words go to the engine as they are, for weights that lie in bfloat16 there. */
export interface LoadedWeight {
  shape: readonly number[];
  values: Float32Array | Uint16Array;
}

/** In which format a frozen weight lies on the engine, by in-memory name and shape. */
export type WeightStorage = (name: string, shape: readonly number[]) => Precision;

/** Gives the loaded weight of a name, or undefined where the model shall start it at random. Called once a name, in order. */
export type WeightSource = (name: string) => HostWeight | undefined;

/**
 * Creates every weight of a table on the engine: from the source where it has one, else at random.
 * A position embedding of another square grid is brought to the table's grid.
 * @param request `trainable` says which names become variables
 * @throws TristageError `E_WEIGHT_SHAPE` naming the key when a loaded weight does not fit; nothing stays allocated then
 */
export function createParams(request: ParamsRequest & { source: WeightSource }): ParamStore {
  const store = new Map<string, Tensor>();
  try {
    for (const name of request.shapes.keys()) store.set(name, startParam(request, name, request.source(name)));
  } catch (error) {
    disposeParams(store);
    throw error;
  }
  return store;
}

/** What weights are created from, besides those that are loaded. */
interface ParamsRequest {
  shapes: ShapeTable;
  trainable: (name: string) => boolean;
  seed: number;
  /** Default: float32. */
  storage?: WeightStorage | undefined;
}

/** As {@link WeightSource}, for weights that are read when they are asked for. */
export type WeightReader = (name: string) => Promise<LoadedWeight | undefined>;

/**
 * As {@link createParams}, one weight after the other: of what is read, no more than one is in host memory at a time.
 * @throws TristageError `E_WEIGHT_SHAPE`, and what the source throws; nothing stays allocated then
 */
export async function loadParams(request: ParamsRequest & { source: WeightReader }): Promise<ParamStore> {
  const store = new Map<string, Tensor>();
  try {
    for (const name of request.shapes.keys()) store.set(name, startParam(request, name, await request.source(name)));
  } catch (error) {
    disposeParams(store);
    throw error;
  }
  return store;
}

function startParam(request: ParamsRequest, name: string, loaded: LoadedWeight | undefined): Tensor {
  const { shapes, trainable, seed, storage = () => 'float32' } = request;
  const shape = shapes.get(name) ?? [];
  const values = loaded === undefined ? initialValues({ seed, name, shapes }) : fitted({ name, shape, loaded });
  const trains = trainable(name);
  if (!trains && storage(name, shape) === 'bf16') return tf.keep(narrowTensor(values, shape));
  if (values instanceof Float32Array) return createParam({ values, shape, trainable: trains });
  throw wordsError(name);
}

/** @returns a frozen tensor or a trainable variable that owns a copy of the values on the engine */
export function createParam(request: { values: Float32Array; shape: readonly number[]; trainable: boolean }): Tensor {
  const tensor = tf.tensor(request.values, [...request.shape], 'float32');
  if (!request.trainable) return tf.keep(tensor);
  const variable = tf.variable(tensor);
  tensor.dispose();
  return variable;
}

function fitted(request: { name: string; shape: readonly number[]; loaded: LoadedWeight }): LoadedWeight['values'] {
  const { name, shape, loaded } = request;
  const { values } = loaded;
  const [, tokens = 0, width = 0] = shape;
  if (name === POS_EMBED && loaded.shape.length === 3 && loaded.shape[2] === width && values instanceof Float32Array) {
    return resizePosEmbed({ values, width, grid: posEmbedGrid(tokens) });
  }
  if (!sameShape(shape, loaded.shape)) throw shapeError(name, loaded.shape, shape);
  return values;
}

/** A fault of whoever reads: only what lies in bfloat16 is read as words. */
function wordsError(name: string): TristageError {
  return new TristageError({
    kind: 'failure',
    code: 'E_DTYPE',
    message: 'a weight that is float32 on the engine was read as bfloat16',
    where: name,
    found: 'raw words',
    expected: 'float32',
  });
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

function shapeError(name: string, found: readonly number[], expected: readonly number[]): TristageError {
  return new TristageError({
    kind: 'checkpoint',
    code: 'E_WEIGHT_SHAPE',
    message: 'A weight does not have the shape that the model needs',
    where: name,
    found: `[${found.join(', ')}]`,
    expected: `[${expected.join(', ')}]`,
    fix: 'Use weights of the configured model, or set the sizes under `model` to those of the weights',
  });
}

/** @returns the trainable weights of a store, in its order */
export function trainableOf(store: ParamStore): Map<string, Variable> {
  const trainable = new Map<string, Variable>();
  for (const [name, tensor] of store) if (tensor instanceof tf.Variable) trainable.set(name, tensor);
  return trainable;
}

/** Frees every weight of a store. */
export function disposeParams(store: ParamStore): void {
  for (const tensor of store.values()) tensor.dispose();
}

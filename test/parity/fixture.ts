/** Reading golden fixtures and comparing with them. Sizes and cases come from the folder, never from here. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Tensor, tf } from '../../lib/engine/tf.ts';
import { type HostTensor, toFloat32, toInt32 } from '../../lib/formats/host-tensor.ts';
import { openSafetensors } from '../../lib/formats/safetensors.ts';
import type { HostWeight } from '../../lib/model/store.ts';
import type { ParityResult } from './result.ts';

/** Limits of golden/README.md; `rel` is max|a-b| / max|b| over a tensor. */
export const LIMITS = {
  activation: 3e-5,
  probe: 1e-4,
  loss: 2e-5,
  trainingLoss: 1e-4,
  gradient: 5e-5,
  merged: 1e-6,
  trained: 5e-5,
} as const;

/** No limit is narrower than this: 0 in float32. */
let least = 0;

/** For engines that compute in less than float32: every comparison of numbers is held to at least this limit from now on. */
export function limitAtLeast(limit: number): void {
  least = limit;
}

/** @returns every tensor of a safetensors file by name */
export async function readTensors(path: string): Promise<Map<string, HostTensor>> {
  const file = await openSafetensors(path);
  try {
    const tensors = new Map<string, HostTensor>();
    for (const name of file.tensors.keys()) tensors.set(name, await file.read(name));
    return tensors;
  } finally {
    await file.close();
  }
}

/** @returns the parsed JSON file of a fixture folder */
export async function readJson<T>(dir: string, name: string): Promise<T> {
  return JSON.parse(await readFile(join(dir, name), 'utf8')) as T;
}

/** @returns a float tensor as a weight of the model */
export function hostWeight(tensor: HostTensor): HostWeight {
  return { shape: tensor.shape, values: toFloat32(tensor) };
}

/** The recorded tensors of a fixture, with complaints that name what is missing. */
export interface Recorded {
  has(name: string): boolean;
  names(prefix: string): string[];
  shape(name: string): number[];
  floats(name: string): Float32Array;
  ints(name: string): Int32Array;
  /** On the device, float32; the caller disposes it. */
  tensor(name: string): Tensor;
}

export function recorded(tensors: ReadonlyMap<string, HostTensor>): Recorded {
  const get = (name: string): HostTensor => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new Error(`the fixture has no tensor '${name}'`);
    return tensor;
  };
  return {
    has: (name) => tensors.has(name),
    names: (prefix) => [...tensors.keys()].filter((name) => name.startsWith(prefix)),
    shape: (name) => get(name).shape,
    floats: (name) => toFloat32(get(name)),
    ints: (name) => toInt32(get(name)),
    tensor: (name) => tf.tensor(toFloat32(get(name)), get(name).shape),
  };
}

/** Collects the comparisons of one folder. */
export interface Report {
  results: ParityResult[];
  /** max|a-b| / max|b| within `limit`; with `keep`, only where it is not 0 (one entry a row of the last axis). */
  close(name: string, actual: ArrayLike<number>, expected: ArrayLike<number>, limit: number, keep?: Int32Array): void;
  /** |a - b| within `limit` for every element. */
  near(name: string, actual: ArrayLike<number>, expected: ArrayLike<number>, limit: number): void;
  /** Equal element by element. */
  equal(name: string, actual: ArrayLike<unknown>, expected: ArrayLike<unknown>): void;
}

export function report(folder: string): Report {
  const results: ParityResult[] = [];
  const add = (name: string, ok: boolean, detail: string) => results.push({ name: `${folder}/${name}`, ok, detail });
  return {
    results,
    close(name, actual, expected, wanted, keep) {
      const limit = Math.max(wanted, least);
      const error = relativeError(actual, expected, keep);
      add(name, error <= limit, `relative error ${error.toExponential(2)}, limit ${limit}`);
    },
    near(name, actual, expected, wanted) {
      const limit = Math.max(wanted, least);
      const error = largestDifference(actual, expected);
      add(name, error <= limit, `difference ${error.toExponential(2)}, limit ${limit}`);
    },
    equal(name, actual, expected) {
      const wrong = firstDifference(actual, expected);
      add(name, wrong === undefined, wrong ?? `${expected.length} equal`);
    },
  };
}

function largestDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length || expected.length === 0) return Number.POSITIVE_INFINITY;
  let difference = 0;
  for (let i = 0; i < expected.length; i++) {
    const distance = Math.abs((actual[i] ?? Number.NaN) - (expected[i] ?? Number.NaN));
    if (!(distance <= difference)) difference = Number.isNaN(distance) ? Number.POSITIVE_INFINITY : distance;
  }
  return difference;
}

function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>, keep?: Int32Array): number {
  if (keep === undefined) {
    let largest = 0;
    for (let i = 0; i < expected.length; i++) largest = Math.max(largest, Math.abs(expected[i] ?? 0));
    const difference = largestDifference(actual, expected);
    return largest === 0 ? difference : difference / largest;
  }
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  const width = expected.length / keep.length;
  const kept = (values: ArrayLike<number>) => Array.from(values).filter((_, i) => keep[Math.floor(i / width)] !== 0);
  return relativeError(kept(actual), kept(expected));
}

function firstDifference(actual: ArrayLike<unknown>, expected: ArrayLike<unknown>): string | undefined {
  if (actual.length !== expected.length) return `${actual.length} elements instead of ${expected.length}`;
  for (let i = 0; i < expected.length; i++) {
    if (actual[i] !== expected[i]) return `element ${i} is ${String(actual[i])} instead of ${String(expected[i])}`;
  }
  return undefined;
}

/** A trace that holds what it is shown until it is released. */
export function holdingTrace(): {
  trace: (name: string, tensor: Tensor) => void;
  held: Map<string, Tensor>;
  release(): void;
} {
  const held = new Map<string, Tensor>();
  return {
    held,
    trace: (name, tensor) => {
      held.get(name)?.dispose();
      held.set(name, tf.keep(tf.clone(tensor)));
    },
    release: () => {
      for (const tensor of held.values()) tensor.dispose();
    },
  };
}

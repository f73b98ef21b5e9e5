/** Between tensors on the engine and tensors of files. */

import { isNarrow } from '../engine/narrow.ts';
import type { Tensor } from '../engine/tf.ts';
import { fileError } from '../formats/file-bytes.ts';
import { castFloat, fromFloat32, type HostTensor, toFloat32, toInt32 } from '../formats/host-tensor.ts';
import { openSafetensors, type TensorSource } from '../formats/safetensors.ts';
import type { HostMoments, Moments } from '../train/adamw.ts';

/** Float32 tensors as sources for a file, BF16 for those that lie so: each is copied to the host only when it is written. */
export function tensorSources(tensors: ReadonlyMap<string, Tensor>): Map<string, TensorSource> {
  const sources = new Map<string, TensorSource>();
  for (const [name, tensor] of tensors) sources.set(name, tensorSource(tensor));
  return sources;
}

function tensorSource(tensor: Tensor): TensorSource {
  const shape = [...tensor.shape];
  const dtype = isNarrow(tensor) ? 'BF16' : 'F32';
  return { dtype, shape, read: async () => castFloat(fromFloat32(await tensor.data<'float32'>(), shape), dtype) };
}

/** The optimizer's state as sources: `exp_avg.PATH`, `exp_avg_sq.PATH` and, as a scalar int32, `step.PATH`. */
export function optimizerSources(state: ReadonlyMap<string, Readonly<Moments>>): Map<string, TensorSource> {
  const sources = new Map<string, TensorSource>();
  for (const [name, { step, expAvg, expAvgSq }] of state) {
    const count: HostTensor = { dtype: 'I32', shape: [], bytes: new Uint8Array(Int32Array.of(step).buffer) };
    sources.set(`step.${name}`, { dtype: 'I32', shape: [], read: () => count });
    sources.set(`exp_avg.${name}`, tensorSource(expAvg));
    sources.set(`exp_avg_sq.${name}`, tensorSource(expAvgSq));
  }
  return sources;
}

/**
 * Reads the file that {@link optimizerSources} makes.
 * @returns moments by parameter path
 * @throws TristageError E_OPTIMIZER_STATE when a parameter lacks a part or the file holds something else
 */
export async function readOptimizer(path: string): Promise<Map<string, HostMoments>> {
  const file = await openSafetensors(path);
  try {
    const moments = new Map<string, HostMoments>();
    const names = [...file.tensors.keys()];
    for (const key of names) {
      const name = /^exp_avg\.(.*)$/.exec(key)?.[1];
      if (name === undefined) continue;
      const parts = [`step.${name}`, key, `exp_avg_sq.${name}`];
      const missing = parts.find((part) => !file.tensors.has(part));
      if (missing !== undefined) throw optimizerError(path, `no ${missing}`);
      const [step, expAvg, expAvgSq] = await Promise.all(parts.map((part) => file.read(part)));
      const count = toInt32(step!)[0];
      if (count === undefined) throw optimizerError(path, `an empty step.${name}`);
      moments.set(name, { step: count, expAvg: toFloat32(expAvg!), expAvgSq: toFloat32(expAvgSq!) });
    }
    if (names.length !== 3 * moments.size) throw optimizerError(path, `${names.length} tensors`);
    return moments;
  } finally {
    await file.close();
  }
}

function optimizerError(path: string, found: string): Error {
  return fileError(path, {
    code: 'E_OPTIMIZER_STATE',
    message: 'the file holds no optimizer state',
    found,
    expected: 'step, exp_avg and exp_avg_sq of each parameter',
    fix: 'start from the weights of the checkpoint alone',
  });
}

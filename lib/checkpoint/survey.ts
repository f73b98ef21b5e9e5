/** Every tensor of a file of weights: name, shape, dtype, hash, and whether all of its numbers are numbers. */

import { sha256 } from '../core/hash.ts';
import { DTYPE_BYTES, type HostTensor, isFloatDtype, toFloat32 } from '../formats/host-tensor.ts';
import type { WeightsFile } from './weights.ts';

/** What one tensor is. */
export interface TensorFacts {
  name: string;
  /** As it is read. */
  dtype: string;
  /** How it is quantised in the file, where it is. */
  stored?: string;
  shape: readonly number[];
  /** Of its bytes as they are read, row-major. */
  sha256: string;
  /** Values that are infinite or no number. */
  notFinite: number;
  file: string;
}

/** Reads every tensor of open weights, one at a time, in the order of the file. */
export async function* surveyWeights(file: WeightsFile): AsyncIterable<TensorFacts> {
  for (const [name, { dtype, shape, stored, file: holder }] of file.entries) {
    const tensor = await file.read(name);
    yield {
      name,
      dtype,
      ...(stored === undefined ? {} : { stored }),
      shape,
      sha256: sha256(tensor.bytes),
      notFinite: countNotFinite(tensor),
      file: holder,
    };
  }
}

/** Values of a piece that is looked at at a time, so that widening takes little memory. */
const PIECE = 1 << 20;

function countNotFinite({ dtype, bytes }: HostTensor): number {
  if (!isFloatDtype(dtype)) return 0;
  const size = DTYPE_BYTES[dtype];
  let count = 0;
  for (let at = 0; at < bytes.byteLength; at += PIECE * size) {
    const piece = bytes.subarray(at, at + PIECE * size);
    // A large float64 is infinite as float32, but a number all the same
    const values =
      dtype === 'F64'
        ? new Float64Array(piece.slice().buffer)
        : toFloat32({ dtype, shape: [piece.byteLength / size], bytes: piece });
    for (const value of values) if (!Number.isFinite(value)) count++;
  }
  return count;
}

/** Rotary position embedding tables (Su et al. 2021) in the half-rotation layout of Hugging Face's LLaMA (reference.md 2.2). */
import { type Tensor, tf } from '../../engine/tf.ts';
import type { RopeScaling } from '../config.ts';

export interface RopeTables {
  /** f32[B | 1, T, Dh / 2] */
  cos: Tensor;
  /** f32[B | 1, T, Dh / 2] */
  sin: Tensor;
}

/**
 * Cosines and sines of position times frequency. Frequencies and angles are rounded to float32 at the same places as in torch, so
 * that large positions give the reference's values and not better ones.
 * @param request positions int32[rows * T] (rows 1 serves every row of a batch), head width Dh, base of the frequencies and how they
 *   are scaled
 */
export function ropeTables(request: {
  positions: Int32Array;
  rows: number;
  headWidth: number;
  base: number;
  scaling?: RopeScaling | undefined;
}): RopeTables {
  const { positions, rows, headWidth } = request;
  const half = headWidth / 2;
  const frequencies = ropeFrequencies(request);
  const cos = new Float32Array(positions.length * half);
  const sin = new Float32Array(positions.length * half);
  positions.forEach((position, i) => {
    frequencies.forEach((frequency, j) => {
      const angle = Math.fround(position * frequency);
      cos[i * half + j] = Math.cos(angle);
      sin[i * half + j] = Math.sin(angle);
    });
  });
  const shape: [number, number, number] = [rows, positions.length / rows, half];
  return { cos: tf.tensor3d(cos, shape), sin: tf.tensor3d(sin, shape) };
}

/**
 * Angle by which each pair of a head turns from one position to the next.
 * @returns f32[headWidth / 2], rounded where torch rounds
 */
export function ropeFrequencies(request: {
  headWidth: number;
  base: number;
  scaling?: RopeScaling | undefined;
}): Float32Array {
  const { headWidth, base, scaling } = request;
  const frequencies = Float32Array.from(
    { length: headWidth / 2 },
    (_, j) => 1 / Math.fround(base ** Math.fround((2 * j) / headWidth)),
  );
  return scaling === undefined ? frequencies : frequencies.map((frequency) => scaled(frequency, scaling));
}

/** LLaMA 3's rule: Hugging Face's modeling_rope_utils.py, `_compute_llama3_parameters`. */
function scaled(frequency: number, scaling: RopeScaling): number {
  const slow = Math.fround(frequency / scaling.factor);
  if (scaling.type === 'linear') return slow;
  const { lowFrequencyFactor: low, highFrequencyFactor: high, originalPositions } = scaling;
  const wave = Math.fround(Math.fround(2 * Math.PI) / frequency);
  if (wave < originalPositions / high) return frequency;
  if (wave > originalPositions / low) return slow;
  const share = Math.fround(Math.fround(Math.fround(originalPositions / wave) - low) / (high - low));
  return Math.fround(Math.fround(Math.fround(1 - share) * slow) + Math.fround(share * frequency));
}

/** Positions from..from + count - 1, for one row that serves all. */
export function consecutivePositions(count: number, from = 0): Int32Array {
  return Int32Array.from({ length: count }, (_, t) => from + t);
}

/**
 * Positions that count only visible tokens: the running sum of the mask minus one; 1 where the mask is 0, as Hugging Face sets it
 * when generating (reference.md 2.2). A hidden place is never read, so its value is free.
 * @param mask u8[rows * T]
 */
export function maskedPositions(mask: Uint8Array, width: number): Int32Array {
  const positions = new Int32Array(mask.length);
  let seen = 0;
  mask.forEach((visible, i) => {
    if (i % width === 0) seen = 0;
    positions[i] = visible === 0 ? 1 : seen++;
  });
  return positions;
}

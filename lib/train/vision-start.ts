/** Start values of a tower that trains from nothing. */
import { keyOfText, randomStream } from '../core/rng.ts';
import { POS_EMBED, type ShapeTable, valuesIn } from '../model/shapes.ts';
import type { HostWeight } from '../model/store.ts';
import { posEmbedGrid } from '../model/vision/pos-embed.ts';

/**
 * Which rule gives the start values. `eva`: EVA's own, made for large towers. `narrow`: for towers of a few hundred channels, which
 * EVA's small normal(0.02) would start too quietly: matrices by their number of inputs, and a position embedding of sines.
 */
export type VisionStart = 'eva' | 'narrow';

/** Deviation of matrices times the root of their inputs; a little below 1 keeps a residual stream of several blocks tame. */
const GAIN = 0.8;
/** What a block adds to the stream starts smaller. */
const RESIDUAL_SHARE = 0.5;
const HEAD_DEVIATION = 0.02;
const POS_AMPLITUDE = 0.5;
const POS_BASE = 10000;

const PURPOSE = keyOfText('vision start values');

/**
 * @param request seed of the run, in-memory name of the weight, the table that knows its shape
 * @returns undefined where the model's own rule holds (see `initialValues`)
 */
export function startValues(request: {
  seed: number;
  name: string;
  shapes: ShapeTable;
  start: VisionStart;
}): HostWeight | undefined {
  const { seed, name, shapes, start } = request;
  const shape = shapes.get(name) ?? [];
  const isHead = name.startsWith('patch_head.');
  if (isHead && shape.length === 1) return { shape, values: new Float32Array(shape[0] ?? 0) };
  if (isHead) return { shape, values: normals({ seed, name, shape, deviation: HEAD_DEVIATION }) };
  if (start === 'eva' || !name.endsWith('weight') || shape.length < 2) {
    return start === 'narrow' && name === POS_EMBED ? { shape, values: sinePositions(shape) } : undefined;
  }
  const inputs = valuesIn(shape.slice(1));
  const share = /\.(attn\.proj|mlp\.fc2)\.weight$/.test(name) ? RESIDUAL_SHARE : 1;
  return { shape, values: normals({ seed, name, shape, deviation: (share * GAIN) / Math.sqrt(inputs) }) };
}

function normals(request: { seed: number; name: string; shape: readonly number[]; deviation: number }): Float32Array {
  const { seed, name, shape, deviation } = request;
  const random = randomStream(PURPOSE, seed, keyOfText(name));
  return Float32Array.from({ length: valuesIn(shape) }, (_, index) => deviation * random.normal(index));
}

/**
 * A quarter of the channels each: sine and cosine of the column, sine and cosine of the row, at frequencies from 1 down to 1/10000
 * (the absolute positions of Vaswani et al. 2017 along two axes). Channels left over and the cls row are 0.
 * @param shape [1, 1 + side * side, D]
 */
function sinePositions([, tokens = 0, width = 0]: readonly number[]): Float32Array {
  const side = posEmbedGrid(tokens);
  const quarter = Math.floor(width / 4);
  const values = new Float32Array(tokens * width);
  for (let patch = 0; patch < side * side; patch++) {
    const at = (1 + patch) * width;
    for (let k = 0; k < quarter; k++) {
      const frequency = POS_BASE ** (-k / quarter);
      [patch % side, Math.floor(patch / side)].forEach((place, axis) => {
        values[at + 2 * axis * quarter + k] = POS_AMPLITUDE * Math.sin(place * frequency);
        values[at + (2 * axis + 1) * quarter + k] = POS_AMPLITUDE * Math.cos(place * frequency);
      });
    }
  }
  return values;
}

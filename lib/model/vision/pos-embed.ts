/** Position embeddings of one grid brought to another, on the host, once, at load time (reference.md 1.3). */
import { TristageError } from '../../core/errors.ts';

/** Cubic convolution coefficient of torch's bicubic (Pillow's is -0.5). */
const A = -0.75;

/** Cubic convolution weight (Keys 1981) at a distance below 2. */
function cubic(distance: number): number {
  const x = Math.abs(distance);
  if (x <= 1) return ((A + 2) * x - (A + 3)) * x * x + 1;
  return ((A * x - 5 * A) * x + 8 * A) * x - 4 * A;
}

interface Tap {
  index: number;
  weight: number;
}

/** The four source places and weights of each target place: half-pixel centres, borders clamped, no antialias. */
function taps(from: number, to: number): Tap[][] {
  return Array.from({ length: to }, (_, target) => {
    const centre = ((target + 0.5) * from) / to - 0.5;
    const base = Math.floor(centre);
    return [-1, 0, 1, 2].map((offset) => ({
      index: Math.min(Math.max(base + offset, 0), from - 1),
      weight: cubic(centre - (base + offset)),
    }));
  });
}

/**
 * @param tokens number of rows of a position embedding, cls row included
 * @returns side of its square grid
 * @throws TristageError `E_POS_EMBED` when there is no such square
 */
export function posEmbedGrid(tokens: number): number {
  const side = Math.sqrt(tokens - 1);
  if (tokens < 2 || !Number.isInteger(side)) {
    throw new TristageError({
      kind: 'checkpoint',
      code: 'E_POS_EMBED',
      message: 'A position embedding must hold one cls row and a square grid',
      where: 'visual_encoder.pos_embed',
      found: `${tokens} rows`,
      expected: '1 + side x side rows',
      fix: 'Use weights of a vision transformer with square input',
    });
  }
  return side;
}

/**
 * Bicubic resize as `torch.nn.functional.interpolate(mode='bicubic', align_corners=False)` does it, without antialias;
 * the cls row is kept as it is.
 * @param request values f32[1 + from*from, D] row-major, D, target grid side
 * @returns f32[1 + to*to, D]; the same array when the grid is already the target
 */
export function resizePosEmbed(request: { values: Float32Array; width: number; grid: number }): Float32Array {
  const { values, width: D, grid: to } = request;
  const from = posEmbedGrid(values.length / D);
  if (from === to) return values;
  const along = taps(from, to);
  const wide = new Float64Array(from * to * D);
  for (let row = 0; row < from; row++) {
    along.forEach((places, column) => {
      for (const { index, weight } of places) {
        const source = (1 + row * from + index) * D;
        const target = (row * to + column) * D;
        for (let d = 0; d < D; d++) wide[target + d] = (wide[target + d] ?? 0) + weight * (values[source + d] ?? 0);
      }
    });
  }
  const out = new Float64Array((1 + to * to) * D);
  out.set(values.subarray(0, D));
  along.forEach((places, row) => {
    for (const { index, weight } of places) {
      const source = index * to * D;
      const target = (1 + row * to) * D;
      for (let i = 0; i < to * D; i++) out[target + i] = (out[target + i] ?? 0) + weight * (wide[source + i] ?? 0);
    }
  });
  return Float32Array.from(out);
}

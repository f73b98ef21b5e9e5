/**
 * Pillow's bicubic resize, equal to the byte: separable, a = -0.5, the filter widened when an axis shrinks, the horizontal pass
 * first, rounded to 8 bits between the passes, coefficients in fixed point with 22 fraction bits. (Pillow: Resample.c)
 * Pillow 13 takes some shapes in the other order; the published vision towers were trained before it.
 * Written to be read; resize-vector.ts gives the same bytes sooner.
 */

/** Fraction bits: 32, less 8 for the pixel and 2 for sums above one. */
const PRECISION = 22;
const HALF = 1 << (PRECISION - 1);
/** Reach of the cubic filter at scale 1. */
const REACH = 2;
const SHARPNESS = -0.5;

/** Pixels of an image: u8[height, width, 3]. */
export interface RgbImage {
  data: Uint8Array;
  width: number;
  height: number;
}

/** For each output place its first input place and count, and `taps` coefficients. */
export interface Coefficients {
  taps: number;
  first: Int32Array;
  count: Int32Array;
  /** int32[outputs, taps] */
  weights: Int32Array;
}

/**
 * Resizes without regard to the aspect ratio.
 * @param image u8[height, width, 3]
 * @param size output width and height, at least 1
 * @returns u8[size.height, size.width, 3]; the input's own data when nothing changes
 */
export function resizePillowBicubic(image: RgbImage, size: { width: number; height: number }): RgbImage {
  const wide = size.width === image.width ? image : resizeRows(image, size.width);
  return size.height === image.height ? wide : resizeColumns(wide, size.height);
}

/** Cubic convolution kernel (Keys). */
function cubic(distance: number): number {
  const x = Math.abs(distance);
  if (x < 1) return ((SHARPNESS + 2) * x - (SHARPNESS + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * SHARPNESS;
  return 0;
}

/** The weights of one axis in fixed point with 22 fraction bits. */
export function coefficients(inputs: number, outputs: number): Coefficients {
  const scale = inputs / outputs;
  const stretch = Math.max(scale, 1);
  const reach = REACH * stretch;
  const taps = Math.ceil(reach) * 2 + 1;
  const shrink = 1 / stretch;
  const first = new Int32Array(outputs);
  const count = new Int32Array(outputs);
  const weights = new Int32Array(outputs * taps);
  const row = new Float64Array(taps);
  for (let place = 0; place < outputs; place++) {
    const center = (place + 0.5) * scale;
    const start = Math.max(Math.trunc(center - reach + 0.5), 0);
    const length = Math.min(Math.trunc(center + reach + 0.5), inputs) - start;
    let sum = 0;
    for (let tap = 0; tap < length; tap++) {
      const weight = cubic((tap + start - center + 0.5) * shrink);
      row[tap] = weight;
      sum += weight;
    }
    for (let tap = 0; tap < length; tap++) {
      const weight = sum === 0 ? (row[tap] as number) : (row[tap] as number) / sum;
      weights[place * taps + tap] = Math.trunc(weight * (1 << PRECISION) + (weight < 0 ? -0.5 : 0.5));
    }
    first[place] = start;
    count[place] = length;
  }
  return { taps, first, count, weights };
}

/** Horizontal pass: u8[H, W, 3] -> u8[H, width, 3]. */
function resizeRows(image: RgbImage, width: number): RgbImage {
  const { taps, first, count, weights } = coefficients(image.width, width);
  const { data, height } = image;
  const output = new Uint8ClampedArray(width * height * 3);
  let to = 0;
  for (let y = 0; y < height; y++) {
    const line = y * image.width * 3;
    for (let x = 0; x < width; x++) {
      let from = line + (first[x] as number) * 3;
      let tap = x * taps;
      const end = tap + (count[x] as number);
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      for (; tap < end; tap++) {
        const weight = weights[tap] as number;
        red = (red + (data[from] as number) * weight) | 0;
        green = (green + (data[from + 1] as number) * weight) | 0;
        blue = (blue + (data[from + 2] as number) * weight) | 0;
        from += 3;
      }
      output[to] = red >> PRECISION;
      output[to + 1] = green >> PRECISION;
      output[to + 2] = blue >> PRECISION;
      to += 3;
    }
  }
  return { data: new Uint8Array(output.buffer), width, height };
}

/** Vertical pass: u8[H, W, 3] -> u8[height, W, 3], one output line at a time so that reading follows memory. */
function resizeColumns(image: RgbImage, height: number): RgbImage {
  const { taps, first, count, weights } = coefficients(image.height, height);
  const { data, width } = image;
  const line = width * 3;
  const sums = new Int32Array(line);
  const output = new Uint8ClampedArray(height * line);
  for (let y = 0; y < height; y++) {
    sums.fill(HALF);
    for (let tap = 0; tap < (count[y] as number); tap++) {
      const weight = weights[y * taps + tap] as number;
      const from = ((first[y] as number) + tap) * line;
      for (let x = 0; x < line; x++) sums[x] = (sums[x] as number) + (data[from + x] as number) * weight;
    }
    const to = y * line;
    for (let x = 0; x < line; x++) output[to + x] = (sums[x] as number) >> PRECISION;
  }
  return { data: new Uint8Array(output.buffer), width, height };
}

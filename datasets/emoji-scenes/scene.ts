/** A scene: an arrangement with its background, drawn into pixels by plain loops over typed arrays. */

import { type Box, fromPixels } from '../../lib/data/boxes.ts';
import type { RawImage } from '../../lib/data/sample.ts';
import { arrange, type Placed, type SceneOptions, type Split, sceneStream, USE } from './arrangement.ts';
import type { Art, Stamp } from './art.ts';

/** A background colour; its name is the answer of colour questions. */
interface Colour {
  readonly name: string;
  readonly rgb: readonly [number, number, number];
}

export const COLOURS: readonly Colour[] = [
  { name: 'red', rgb: [186, 90, 88] },
  { name: 'green', rgb: [104, 178, 106] },
  { name: 'blue', rgb: [88, 134, 214] },
  { name: 'yellow', rgb: [228, 214, 142] },
  { name: 'white', rgb: [236, 236, 232] },
  { name: 'gray', rgb: [136, 138, 140] },
];

/** An object of a scene. */
export interface SceneThing {
  readonly name: string;
  readonly plural: string;
  /** Index into the classes of the source. */
  readonly kind: number;
  /** Exact extent, fractions of the image. */
  readonly box: Box;
}

/** Scene `index` of a split. */
export interface Scene {
  readonly index: number;
  readonly split: Split;
  /** Name of the background's colour. */
  readonly background: string;
  /** In the order in which they were drawn: later ones lie on top. */
  readonly objects: readonly SceneThing[];
  readonly image: RawImage;
}

/** Most by which each channel of a background's colour moves as a whole. */
const COLOUR_JITTER = 9;
/** Amplitude of the texture. */
const TEXTURE = 13;
/** Control points of the texture along each side. */
const KNOTS = 5;
/** Brightness of an object is multiplied by 1 up to this much more or less. */
const GAIN = 0.15;

/**
 * Draws scene `index`: equal arguments give equal bytes.
 * @returns image.pixels u8[S, S, 3]
 * @throws TristageError E_SCENE when the objects do not fit
 */
export function composeScene(art: Art, options: SceneOptions, index: number): Scene {
  const { imageSize, split, seed } = options;
  const placed = arrange(art, options, index);
  const random = sceneStream(options, index, USE.look);
  let draws = 0;
  const uniform = (): number => random.uniform(draws++);
  const colour = COLOURS[Math.floor(uniform() * COLOURS.length)] as Colour;
  const pixels = new Uint8Array(imageSize * imageSize * 3);
  paintBackground(pixels, { size: imageSize, rgb: colour.rgb, uniform });
  for (const one of placed) {
    const flip = uniform() < 0.5;
    const gain = 1 + GAIN * (2 * uniform() - 1);
    paintStamp(pixels, { stamp: art.stamp(one.kind, one.side), at: one, size: imageSize, flip, gain });
  }
  const name = `emoji-scenes ${split}/${index} of seed ${seed}`;
  return {
    index,
    split,
    background: colour.name,
    objects: placed.map((one) => thingOf(one, art, imageSize)),
    image: { pixels, width: imageSize, height: imageSize, name },
  };
}

function thingOf({ kind, left, top, width, height }: Placed, art: Art, size: number): SceneThing {
  const { name, plural } = art.kinds[kind] as Art['kinds'][number];
  return {
    name,
    plural,
    kind,
    box: fromPixels([left, top, left + width, top + height], { width: size, height: size }),
  };
}

/** A colour, moved a little, under a soft pattern of light and dark that runs through a few random points. */
function paintBackground(
  pixels: Uint8Array,
  { size, rgb, uniform }: { size: number; rgb: readonly number[]; uniform: () => number },
): void {
  const base = rgb.map((value) => value + COLOUR_JITTER * (2 * uniform() - 1));
  const knots = Float64Array.from({ length: KNOTS * KNOTS }, () => TEXTURE * (2 * uniform() - 1));
  // A clamped view rounds and keeps to 0..255 by itself.
  const clamped = new Uint8ClampedArray(pixels.buffer);
  const { cell, weight } = interpolation(size);
  const row = new Float64Array(KNOTS);
  for (let y = 0, at = 0; y < size; y++) {
    const upper = (cell[y] as number) * KNOTS;
    const down = weight[y] as number;
    for (let knot = 0; knot < KNOTS; knot++) {
      row[knot] = (knots[upper + knot] as number) * (1 - down) + (knots[upper + KNOTS + knot] as number) * down;
    }
    for (let x = 0; x < size; x++) {
      const left = cell[x] as number;
      const right = weight[x] as number;
      const shade = (row[left] as number) * (1 - right) + (row[left + 1] as number) * right;
      for (let channel = 0; channel < 3; channel++, at++) {
        clamped[at] = (base[channel] as number) + shade;
      }
    }
  }
}

/** For each pixel along a side: the control point before it and how far it is on the way to the next, eased at both ends. */
function interpolation(size: number): { cell: Uint8Array; weight: Float64Array } {
  const cell = new Uint8Array(size);
  const weight = new Float64Array(size);
  for (let place = 0; place < size; place++) {
    const along = ((place + 0.5) / size) * (KNOTS - 1);
    cell[place] = Math.floor(along);
    const part = along - Math.floor(along);
    weight[place] = part * part * (3 - 2 * part);
  }
  return { cell, weight };
}

interface StampJob {
  stamp: Stamp;
  at: Placed;
  /** Side of the image. */
  size: number;
  flip: boolean;
  gain: number;
}

function paintStamp(pixels: Uint8Array, { stamp, at, size, flip, gain }: StampJob): void {
  const { width, height, rgba } = stamp;
  const bright = Uint8Array.from({ length: 256 }, (_, value) => Math.min(255, Math.round(value * gain)));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + (flip ? width - 1 - x : x)) * 4;
      const alpha = rgba[from + 3] as number;
      if (alpha === 0) continue;
      const to = ((at.top + y) * size + at.left + x) * 3;
      for (let channel = 0; channel < 3; channel++) {
        const over = bright[rgba[from + channel] as number] as number;
        const under = pixels[to + channel] as number;
        pixels[to + channel] = Math.floor((over * alpha + under * (255 - alpha) + 127) / 255);
      }
    }
  }
}

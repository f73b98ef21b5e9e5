/**
 * The art of emoji-scenes: icons of `@iconify-json/fluent-emoji-flat` (Fluent Emoji by Microsoft, MIT licence, as packed by
 * Iconify), rendered once for each size and cropped to what can be seen, so that a stamp's rectangle is its exact box.
 */

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { KINDS, type Kind } from './kinds.ts';

/** A picture of an object at one size, every edge of which touches something that can be seen. */
export interface Stamp {
  readonly width: number;
  readonly height: number;
  /** u8[height, width, 4], alpha not multiplied in. */
  readonly rgba: Uint8Array;
}

/** Stamps of several kinds at every long side of a range. */
export interface Art {
  readonly kinds: readonly Kind[];
  readonly minSide: number;
  readonly maxSide: number;
  /**
   * @param kind index into `kinds`
   * @param side long side in pixels before cropping, from minSide to maxSide
   */
  stamp(kind: number, side: number): Stamp;
}

/** Alpha from which a pixel counts as seen. */
export const SEEN_ALPHA = 32;
/** Side of the rendering that finds an icon's extent. */
const MEASURE = 256;

interface Icon {
  readonly body: string;
  readonly width: number;
  readonly height: number;
}

const rendered = new Map<string, Promise<Art>>();

/**
 * Renders the stamps, once for each choice in a process.
 * @param request names of kinds, and the range of long sides in pixels
 * @throws RangeError for an unknown name
 */
export function loadArt(request: { classes: readonly string[]; minSide: number; maxSide: number }): Promise<Art> {
  const key = JSON.stringify([request.classes, request.minSide, request.maxSide]);
  const known = rendered.get(key) ?? renderArt(request);
  rendered.set(key, known);
  return known;
}

async function renderArt({
  classes,
  minSide,
  maxSide,
}: {
  classes: readonly string[];
  minSide: number;
  maxSide: number;
}): Promise<Art> {
  const kinds = classes.map(kindOf);
  const icons = await readIcons(kinds.map(({ icon }) => icon));
  const sides = Array.from({ length: maxSide - minSide + 1 }, (_, step) => minSide + step);
  const stamps: Stamp[][] = [];
  for (const icon of icons) {
    const view = await visibleView(icon);
    stamps.push(await Promise.all(sides.map((side) => renderStamp(icon.body, view, side))));
  }
  return { kinds, minSide, maxSide, stamp: (kind, side) => (stamps[kind] as Stamp[])[side - minSide] as Stamp };
}

function kindOf(name: string): Kind {
  const kind = KINDS.find((one) => one.name === name);
  if (kind === undefined) throw new RangeError(`no kind of object is called ${name}`);
  return kind;
}

async function readIcons(names: readonly string[]): Promise<Icon[]> {
  const path = fileURLToPath(import.meta.resolve('@iconify-json/fluent-emoji-flat/icons.json'));
  const set = JSON.parse(await readFile(path, 'utf8')) as {
    icons: Record<string, { body: string; width?: number; height?: number }>;
    width?: number;
    height?: number;
  };
  return names.map((name) => {
    const icon = set.icons[name];
    if (icon === undefined) throw new RangeError(`the icon set has no ${name}`);
    return { body: icon.body, width: icon.width ?? set.width ?? 16, height: icon.height ?? set.height ?? 16 };
  });
}

/** A rectangle in the units of the drawing. */
interface View {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

async function visibleView({ body, width, height }: Icon): Promise<View> {
  const scale = MEASURE / Math.max(width, height);
  const size = { width: Math.round(width * scale), height: Math.round(height * scale) };
  const raster = await renderSvg(body, { x: 0, y: 0, width, height }, size);
  const { left, top, right, bottom } = seenExtent(raster);
  return { x: left / scale, y: top / scale, width: (right - left) / scale, height: (bottom - top) / scale };
}

async function renderStamp(body: string, view: View, side: number): Promise<Stamp> {
  const scale = side / Math.max(view.width, view.height);
  const size = {
    width: Math.max(1, Math.round(view.width * scale)),
    height: Math.max(1, Math.round(view.height * scale)),
  };
  const raster = await renderSvg(body, view, size);
  return cropped(raster, seenExtent(raster));
}

async function renderSvg(body: string, view: View, size: { width: number; height: number }): Promise<Stamp> {
  const box = `${view.x} ${view.y} ${view.width} ${view.height}`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${box}" width="${size.width}" height="${size.height}" preserveAspectRatio="none">${body}</svg>`;
  // Loaded where an image is first needed: who only checks a run file must not wait for it.
  const { default: sharp } = await import('sharp');
  const { data, info } = await sharp(Buffer.from(svg)).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, rgba: data };
}

/** A rectangle of pixels; right and bottom are exclusive. */
export interface Extent {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** The smallest rectangle around all pixels that can be seen. */
export function seenExtent({ width, height, rgba }: Stamp): Extent {
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if ((rgba[(y * width + x) * 4 + 3] as number) < SEEN_ALPHA) continue;
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y + 1);
    }
  }
  if (left >= right) throw new RangeError('a picture without anything to see');
  return { left, top, right, bottom };
}

function cropped({ width, rgba }: Stamp, { left, top, right, bottom }: Extent): Stamp {
  const size = { width: right - left, height: bottom - top };
  const output = new Uint8Array(size.width * size.height * 4);
  for (let y = 0; y < size.height; y++) {
    const from = ((top + y) * width + left) * 4;
    output.set(rgba.subarray(from, from + size.width * 4), y * size.width * 4);
  }
  return { ...size, rgba: output };
}

/**
 * Boxes: fractions of the original image inside the program, `{<x1><y1><x2><y2>}` with integers 0..100 in text.
 */

import { TristageError } from '../core/errors.ts';

/** x1, y1, x2, y2 as fractions 0..1 of the original image, origin top left. */
export type Box = readonly [number, number, number, number];

/** x1, y1, x2, y2 in pixels. */
export type PixelBox = readonly [number, number, number, number];

/** Sides of an image in pixels. */
export interface ImageSize {
  width: number;
  height: number;
}

/** How a fraction becomes an integer 0..100: `truncate` as MiniGPT-v2 does, or `round` to the nearest. */
export type BoxRounding = 'truncate' | 'round';

/** Steps of the text form. */
export const BOX_STEPS = 100;
/** Stands between several boxes of one phrase. */
export const BOX_DELIMITER = '<delim>';

const BOX_TEXT = /\{<(\d{1,3})><(\d{1,3})><(\d{1,3})><(\d{1,3})>\}/g;
const ONE_BOX = /^\{<(\d{1,3})><(\d{1,3})><(\d{1,3})><(\d{1,3})>\}$/;
/** A phrase holds no other phrase mark, so one without a box never swallows the next. */
const PHRASE = /<p>((?:(?!<\/?p>).)*)<\/p>\s*((?:\{<\d{1,3}><\d{1,3}><\d{1,3}><\d{1,3}>\}(?:<delim>)?)+)/gs;

/**
 * The text form of a box. Values outside 0..1 are moved to the edge, which the original does not do.
 * @throws TristageError E_BOX when a value is not a finite number
 */
export function formatBox(box: Box, rounding: BoxRounding = 'truncate'): string {
  const steps = box.map((value) => {
    if (!Number.isFinite(value)) throw badBox(`[${box.join(', ')}]`, 'four finite numbers');
    const scaled = Math.min(Math.max(value, 0), 1) * BOX_STEPS;
    return rounding === 'truncate' ? Math.trunc(scaled) : Math.round(scaled);
  });
  return `{<${steps.join('><')}>}`;
}

/** The text form of several boxes of one phrase, joined by `<delim>`. */
export function formatBoxes(boxes: readonly Box[], rounding: BoxRounding = 'truncate'): string {
  return boxes.map((box) => formatBox(box, rounding)).join(BOX_DELIMITER);
}

/** A phrase with its boxes as grounded captions and detection answers write it: `<p>phrase</p> {box}<delim>{box}`. */
export function formatPhrase(phrase: string, boxes: readonly Box[], rounding: BoxRounding = 'truncate'): string {
  return `<p>${phrase}</p> ${formatBoxes(boxes, rounding)}`;
}

/**
 * Reads the text form of exactly one box; spaces around it are allowed.
 * @returns the box, or undefined when the text is anything else or a number exceeds 100
 */
export function parseBox(text: string): Box | undefined {
  const match = ONE_BOX.exec(text.trim());
  return match === null ? undefined : boxOf(match);
}

/** All well-formed boxes of a text, in order; corners are given as they stand. */
export function parseBoxes(text: string): Box[] {
  return [...text.matchAll(BOX_TEXT)].map(boxOf).filter((box) => box !== undefined);
}

/** A phrase and its boxes. */
export interface GroundedPhrase {
  phrase: string;
  boxes: Box[];
}

/** The `<p>phrase</p> {box}<delim>{box}` items of a text, in order. */
export function parsePhrases(text: string): GroundedPhrase[] {
  return [...text.matchAll(PHRASE)].map((match) => ({
    phrase: (match[1] as string).trim(),
    boxes: parseBoxes(match[2] as string),
  }));
}

/**
 * The box of a match whose first four groups are its numbers.
 * @returns undefined when one exceeds 100
 */
export function boxOf(match: RegExpExecArray): Box | undefined {
  const [x1, y1, x2, y2] = match.slice(1, 5).map(Number) as [number, number, number, number];
  if (Math.max(x1, y1, x2, y2) > BOX_STEPS) return undefined;
  return [x1 / BOX_STEPS, y1 / BOX_STEPS, x2 / BOX_STEPS, y2 / BOX_STEPS];
}

/**
 * Pixels to fractions.
 * @throws TristageError E_BOX when the image has no size
 */
export function fromPixels(box: PixelBox, size: ImageSize): Box {
  checkSize(size);
  return [box[0] / size.width, box[1] / size.height, box[2] / size.width, box[3] / size.height];
}

/**
 * COCO's [x, y, width, height] in pixels to corners as fractions.
 * @throws TristageError E_BOX when the image has no size
 */
export function fromCoco(xywh: readonly [number, number, number, number], size: ImageSize): Box {
  const [x, y, width, height] = xywh;
  return fromPixels([x, y, x + width, y + height], size);
}

/**
 * Fractions to pixels.
 * @throws TristageError E_BOX when the image has no size
 */
export function toPixels(box: Box, size: ImageSize): PixelBox {
  checkSize(size);
  return [box[0] * size.width, box[1] * size.height, box[2] * size.width, box[3] * size.height];
}

/** A box whose sides are changed, each on its own and all in the same way. */
export function mapBox([x1, y1, x2, y2]: Box, change: (side: number) => number): Box {
  return [change(x1), change(y1), change(x2), change(y2)];
}

/** The part of a box inside the image, or undefined when nothing of it is inside. */
export function clipBox(box: Box): Box | undefined {
  const [x1, y1, x2, y2] = mapBox(box, (side) => Math.min(Math.max(side, 0), 1));
  return x1 < x2 && y1 < y2 ? [x1, y1, x2, y2] : undefined;
}

/** `continuous`: corners are points. `inclusive-pixels`: a side counts one pixel more, as MiniGPT-v2's evaluation does. */
export type IouConvention = 'continuous' | 'inclusive-pixels';

/**
 * Intersection over union of two boxes in the same unit.
 * @param a corners; pixels when the convention is `inclusive-pixels`
 * @returns 0..1 for boxes whose corners are in order; 0 when there is no overlap or no area
 */
export function iou(a: PixelBox | Box, b: PixelBox | Box, convention: IouConvention = 'continuous'): number {
  const extra = convention === 'inclusive-pixels' ? 1 : 0;
  const width = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0]) + extra);
  const height = Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]) + extra);
  const overlap = width * height;
  if (overlap === 0) return 0;
  const areaA = (a[2] - a[0] + extra) * (a[3] - a[1] + extra);
  const areaB = (b[2] - b[0] + extra) * (b[3] - b[1] + extra);
  return overlap / (areaA + areaB - overlap);
}

function checkSize(size: ImageSize): void {
  if (!(size.width > 0 && size.height > 0))
    throw badBox(`an image of ${size.width} x ${size.height}`, 'a positive size');
}

function badBox(found: string, expected: string): TristageError {
  return new TristageError({ kind: 'data', code: 'E_BOX', message: 'a box cannot be converted', found, expected });
}

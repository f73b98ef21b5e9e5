/**
 * Referring expressions: is the box right? The literature's measure, and the decision of MiniGPT-v2's own script, which reads any
 * numbers, counts a pixel more on each side and wants an overlap above, not at, one half. (MiniGPT-v2: eval_ref.py)
 */

import { type Box, type ImageSize, iou, type PixelBox, parseBoxes } from '../../data/boxes.ts';
import { stripText } from '../../data/text-clean.ts';

/** Overlap from which a box counts as found. */
export const HIT_IOU = 0.5;

/**
 * The literature's measure: the first well-formed box of the answer overlaps by at least one half.
 * @param answer generated text
 * @param expected fractions of the original image
 */
export function scoreBox(answer: string, expected: Box): { box: Box | undefined; iou: number; hit: boolean } {
  const [box] = parseBoxes(answer);
  const overlap = box === undefined ? 0 : iou(box, expected);
  return { box, iou: overlap, hit: overlap >= HIT_IOU };
}

/** A row of the reference's evaluation files. */
export interface ReferenceBoxItem {
  prediction: string;
  /** x, y, width, height in pixels */
  bbox: readonly [number, number, number, number];
  size: ImageSize;
  /** Steps of the text form. Default 100. */
  resolution?: number;
  /** Accept an answer without the pattern, as the script does after five tries. Default false. */
  forced?: boolean;
}

/** What the reference decides. */
export interface ReferenceBoxScore {
  /** The answer without `<unk>` and spaces. */
  cleaned: string;
  /** Whether a box stands at the very start. */
  patternOk: boolean;
  correct: boolean;
  /** Overlap by the inclusive-pixel convention; absent when the answer was not scored. */
  iou: number | undefined;
}

const PATTERN = /^\{<\p{Nd}{1,3}><\p{Nd}{1,3}><\p{Nd}{1,3}><\p{Nd}{1,3}>\}/u;

/** The decision of the reference's script. */
export function scoreBoxAsReference(item: ReferenceBoxItem): ReferenceBoxScore {
  const { prediction, bbox, size, resolution = 100, forced = false } = item;
  const cleaned = stripText(prediction.replaceAll('<unk>', '').replaceAll(' ', ''));
  const patternOk = PATTERN.test(cleaned);
  const numbers = [...cleaned.matchAll(/\p{Nd}+/gu)].map(([digits]) => decimalValue(digits));
  if (!(patternOk || forced) || numbers.length !== 4) return { cleaned, patternOk, correct: false, iou: undefined };
  const [x1, y1, x2, y2] = numbers as [number, number, number, number];
  const { width, height } = size;
  const box: PixelBox = [
    (x1 / resolution) * width,
    (y1 / resolution) * height,
    (x2 / resolution) * width,
    (y2 / resolution) * height,
  ];
  const expected: PixelBox = [bbox[0], bbox[1], bbox[0] + bbox[2], bbox[1] + bbox[3]];
  const overlap = iou(box, expected, 'inclusive-pixels');
  return { cleaned, patternOk, correct: overlap > HIT_IOU, iou: overlap };
}

/**
 * The number that decimal digits of any script spell. Unicode places the ten digits of a script in a row, so a digit's value is
 * its distance from the start of its row.
 */
function decimalValue(digits: string): number {
  let value = 0;
  for (const digit of digits) {
    const code = digit.codePointAt(0) as number;
    let start = code;
    while (/\p{Nd}/u.test(String.fromCodePoint(start - 1))) start -= 1;
    value = value * 10 + ((code - start) % 10);
  }
  return value;
}

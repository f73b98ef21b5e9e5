/** [refer]: does the box of the answer lie on the object that was asked for? */

import { type Box, iou } from '../../data/boxes.ts';
import { firstBoxOfAnswer } from '../parse-answer.ts';
import { type Estimate, meanEstimate, wilson } from './interval.ts';

/** Overlap from which a box counts as found. */
export const IOU_THRESHOLD = 0.5;
/** Boxes on the grid of hundredths can have an IoU of exactly 1/2; rounding must not decide about them. */
const ROUNDING = 1e-9;

/** A [refer] question and its answer. */
export interface BoxItem {
  readonly target: Box;
  readonly answer: string;
}

/** Whether two boxes overlap enough to be the same; the threshold itself is enough. */
export function boxesAgree(a: Box, b: Box, threshold = IOU_THRESHOLD): boolean {
  return iou(a, b) >= threshold - ROUNDING;
}

/**
 * Share of answers whose first box agrees with the target, and the mean IoU of all answers. An answer without a box is a miss with IoU 0.
 */
export function boxAccuracy(
  items: readonly BoxItem[],
  { threshold = IOU_THRESHOLD, seed = 0 }: { threshold?: number; seed?: number } = {},
): { accuracy: Estimate; meanIou: Estimate } {
  const answered = items.map(({ target, answer }) => ({ target, box: firstBoxOfAnswer(answer) }));
  const hits = answered.filter(({ target, box }) => box !== undefined && boxesAgree(box, target, threshold));
  const overlaps = answered.map(({ target, box }) => (box === undefined ? 0 : iou(box, target)));
  return { accuracy: wilson(hits.length, items.length), meanIou: meanEstimate(overlaps, seed) };
}

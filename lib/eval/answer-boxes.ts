/** The boxes of an answer in both units, with the phrases that they belong to. */

import { type Box, type ImageSize, mapBox, type PixelBox, toPixels } from '../data/boxes.ts';
import { phrasesOfAnswer } from './parse-answer.ts';

/** A box that an answer names. */
export interface AnswerBox {
  /** As the answer writes it; absent where the box stands alone. */
  readonly phrase?: string;
  /** x1, y1, x2, y2 of the image, 0..1. Corners as the answer has them, even where they are swapped. */
  readonly fractions: Box;
  /** x1, y1, x2, y2 in pixels of the original image, to hundredths; absent without an image. */
  readonly pixels?: PixelBox;
}

/**
 * Every readable box of an answer, in order.
 * @param size of the original image
 */
export function answerBoxes(answer: string, size?: ImageSize): AnswerBox[] {
  return phrasesOfAnswer(answer).flatMap(({ phrase, boxes }) =>
    boxes.map((box) => ({ ...(phrase === '' ? {} : { phrase }), ...inBothUnits(box, size) })),
  );
}

/** A box in fractions, and in pixels where the size of the image is known. */
export function inBothUnits(fractions: Box, size?: ImageSize): Omit<AnswerBox, 'phrase'> {
  if (size === undefined) return { fractions };
  const pixels = mapBox(toPixels(fractions, size), (side) => Math.round(side * 100) / 100);
  return { fractions, pixels };
}

/** What `predict` finds out about an image, and how it is told. */

import type { TristageError } from '../core/errors.ts';
import type { ImageSize } from '../data/boxes.ts';
import type { Task } from '../data/task.ts';
import type { AnswerBox } from '../eval/answer-boxes.ts';

/** What the model said about one image. */
export interface Answered {
  /** As it was named; absent where the question is about none. */
  image?: string;
  /** Of the original image, in pixels as they are stored. */
  size?: ImageSize;
  task: Task;
  /** As it was given. */
  question: string;
  /** What was asked, as it stands in the prompt. */
  instruction: string;
  /** The box that was asked about. */
  asked?: AnswerBox;
  /** What the model said, without special tokens. */
  answer: string;
  /** Boxes in the answer. */
  boxes: readonly AnswerBox[];
  /** Whether the answer ended by itself, before maxTokens. */
  ended: boolean;
  /** File with the boxes drawn on the image. */
  picture?: string;
}

/** An image that could not be asked about. */
export interface Unanswered {
  image: string;
  error: TristageError;
}

/** An answer, or why there is none; an `error` tells which. */
export type Prediction = Answered | Unanswered;

/**
 * An answer for people: what was said, then a line for each box in both units, as `--box` takes them.
 * @param several the image is named above its answer
 */
export function predictionText(answered: Answered, several: boolean): string {
  const boxes = answered.boxes.map(({ phrase = '', fractions, pixels }) => ({
    pixels: pixels === undefined ? '' : `${pixels.map(Math.round).join(',')} px`,
    fractions: fractions.map((side) => side.toFixed(2)).join(','),
    phrase,
  }));
  const widest = Math.max(...boxes.map(({ pixels }) => pixels.length), 0);
  const lines = boxes.map(({ pixels, fractions, phrase }) =>
    ['box', pixels.padEnd(widest), fractions, phrase].filter((part) => part !== '').join('  '),
  );
  const told = [answered.answer, ...lines];
  return several ? [answered.image ?? '', ...told.map((line) => `  ${line}`)].join('\n') : told.join('\n');
}

/** The record that every source gives and the two shapes that come from it: Sample -> Example -> Batch. */

import { TristageError } from '../core/errors.ts';
import type { Box } from './boxes.ts';
import type { Task } from './task.ts';

/** A part of a file, such as a member of a tar: `size` bytes from `offset`. */
export interface FileRange {
  readonly path: string;
  readonly offset: number;
  readonly size: number;
  readonly name: string;
}

/** An encoded image: a file or a part of one, or bytes already in memory. `name` says in errors where the bytes came from. */
export type EncodedImage =
  | { readonly path: string }
  | FileRange
  | { readonly bytes: Uint8Array; readonly name: string };

/** An image that was never encoded: u8[height, width, 3]; nobody may write to it. */
export interface RawImage {
  readonly pixels: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly name: string;
}

/** Samples that share one image share one object. */
export type ImageRef = EncodedImage | RawImage;

/** One question with its answer. The question carries its task identifier; it carries no prompt template. */
export interface Turn {
  readonly question: string;
  readonly answer: string;
}

/** An object of an image by name and box. */
export interface SceneObject {
  readonly name: string;
  readonly box: Box;
}

/** What is known about an image and a question in machine-readable form; metrics read it, training does not. */
export interface Truth {
  /** Objects of the image, those that occur twice twice; of a caption or a [grounding] answer all of them. */
  readonly objects?: readonly SceneObject[];
  /** The kind of a [vqa] question, such as `count` or `colour`; accuracy is given for each kind. */
  readonly questionType?: string;
  /** What each of several people answered to a [vqa] question, as they wrote it. */
  readonly answers?: readonly string[];
  /** The exact box that a [refer] answer should name. */
  readonly target?: Box;
}

/** One typed record of a source. */
export interface Sample {
  /** Unique within the source; names the sample in errors, ledgers and predictions. */
  readonly id: string;
  readonly source: string;
  readonly task: Task;
  readonly image?: ImageRef;
  readonly turns: readonly Turn[];
  /** Boxes that the sample speaks of, fractions of the original image. */
  readonly boxes?: readonly Box[];
  /** For evaluation, where the source knows more than its answers say. */
  readonly truth?: Truth;
}

/** Marks a token place that holds a row of projected image features. */
export const IMAGE_SLOT = -200;
/** Marks a label that takes no part in the loss. */
export const IGNORE = -100;

/** One training row. `tokenIds` and `labels` have equal length and are not shifted against each other. */
export interface Example {
  readonly id: string;
  readonly task: Task;
  /** Token ids with BOS first; IMAGE_SLOT once for each visual token. */
  readonly tokenIds: Int32Array;
  /** Token id at supervised places, IGNORE elsewhere. */
  readonly labels: Int32Array;
  /** Images in the order of their slots. */
  readonly images: readonly ImageRef[];
  /** Tokens of the first prompt, BOS not counted. */
  readonly contextLength: number;
  /** Zeros where attention is switched off inside the row; absent = all ones. Only compatibility options set it. */
  readonly attention?: Uint8Array;
  /** Line of the mixture that it was drawn from; a loader sets it. */
  readonly line?: number;
  /** Its index in the source, how many samples the line gave before, and in which epoch; a loader sets it. */
  readonly drawn?: { readonly index: number; readonly position: number; readonly epoch: number };
}

/** An image of a batch when features are cached: what the tower made of it, or its pixels where that is not known yet. */
export interface KeyedImage {
  /** Equal images have equal keys. */
  readonly key: string;
  /** f32[P, Dv] */
  readonly features?: Float32Array;
  /** u8[S, S, 3]; absent where there are features. */
  readonly pixels?: Uint8Array;
}

/** Examples of one device pass, on the host. B rows of T tokens, N images of S x S pixels. */
export interface Batch {
  /** int32[B, T] */
  readonly tokenIds: Int32Array;
  /** int32[B, T] */
  readonly labels: Int32Array;
  /** u8[B, T]: 1 where there is a token, 0 at padding. */
  readonly attentionMask: Uint8Array;
  /** [B, T] */
  readonly shape: readonly [number, number];
  /** u8[N, S, S, 3], images in row order, then slot order; empty for a batch of text. */
  readonly pixels: Uint8Array;
  /** [N, S] */
  readonly pixelShape: readonly [number, number];
  /** Where features are cached, the N images in place of `pixels`, which is empty then. */
  readonly keyed?: readonly KeyedImage[];
  readonly examples: readonly Example[];
}

/** Where an image reference points, for people. */
export function nameOfImage(image: ImageRef): string {
  return 'name' in image ? image.name : image.path;
}

/**
 * Refuses a sample that must not be trained on.
 * @throws TristageError E_SAMPLE for no turns, an empty question or answer, or a box outside the image
 */
export function checkSample(sample: Sample): void {
  if (sample.turns.length === 0) throw badSample(sample, 'no turns', 'at least one question with its answer');
  for (const [place, turn] of sample.turns.entries()) {
    if (turn.answer.trim() === '') throw badSample(sample, `an empty answer in turn ${place + 1}`, 'a text');
    if (turn.question.trim() === '') throw badSample(sample, `an empty question in turn ${place + 1}`, 'a text');
  }
  for (const box of sample.boxes ?? []) {
    const [x1, y1, x2, y2] = box;
    const inside = box.every((value) => value >= 0 && value <= 1);
    if (!(inside && x1 <= x2 && y1 <= y2)) {
      throw badSample(sample, `the box [${box.join(', ')}]`, 'x1 <= x2 and y1 <= y2, all in 0..1');
    }
  }
}

/** The error of a sample that cannot be used; the loader replaces it and writes it into the ledger. */
export function badSample(sample: Pick<Sample, 'id' | 'source'>, found: string, expected: string): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_SAMPLE',
    message: 'a sample cannot be used',
    where: `${sample.source}: ${sample.id}`,
    found,
    expected,
  });
}

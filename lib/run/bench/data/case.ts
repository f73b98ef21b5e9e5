/** What both sides of `tristage bench data` are given and answer. */

import type { ImageTransform } from '../../../data/image.ts';

/** The case as both sides read it from a file. */
export interface DataCase {
  /** The tars; each process of the other side reads its own. */
  shards: readonly string[];
  /** Their folder. */
  folder: string;
  /** The LLaMA vocabulary as a SentencePiece model. */
  vocabulary: string;
  /** Where our index of the tars lies. */
  cache: string;
  /** Width and height of the square. */
  size: number;
  /** Of our side; the other always resizes by Pillow's bicubic. */
  transform: ImageTransform;
  /** Threads that decode on our side, processes on the other. */
  threads: number;
  /** Images of a batch. */
  batch: number;
  /** Visual tokens of an image. */
  imageTokens: number;
  /** Tokens of a packed row. */
  maxTokens: number;
  mean: readonly number[];
  std: readonly number[];
}

/** One pass over some images. */
export interface Pass {
  images: number;
  seconds: number;
  /** User and system time of all threads and processes, in seconds. */
  cpu: number;
  /** Of the packed rows; both sides pack the same number, give or take the wording of an instruction. */
  tokens: number;
}

/** What a side makes of one photo, by key. */
export type Look = Readonly<Record<string, { pixels: string; tokens: readonly number[] }>>;

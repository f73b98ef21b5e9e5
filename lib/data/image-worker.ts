/** A worker thread that decodes and resizes, so that training goes on meanwhile. Speaks with image-workers.ts only. */

import { parentPort, workerData } from 'node:worker_threads';
import sharp from 'sharp';
import { type LoadImageOptions, loadImage } from './image.ts';
import type { ImageRef } from './sample.ts';
import { describeError, type PlainError } from './worker-thread.ts';

/** A request and its answer. */
export interface ImageRequest {
  id: number;
  image: ImageRef;
  /** Shared memory for the pixels, u8[S, S, 3]. */
  into: Uint8Array;
}
export type ImageReply = { ready: true } | { id: number } | { id: number; failure: PlainError };

const options = workerData as LoadImageOptions;
// One thread of libvips for each worker: the engine owns the other cores.
sharp.concurrency(1);

parentPort?.on('message', async ({ id, image, into }: ImageRequest) => {
  try {
    await loadImage(image, options, into);
    parentPort?.postMessage({ id } satisfies ImageReply);
  } catch (error) {
    parentPort?.postMessage({ id, failure: describeError(error) } satisfies ImageReply);
  }
});
parentPort?.postMessage({ ready: true } satisfies ImageReply);

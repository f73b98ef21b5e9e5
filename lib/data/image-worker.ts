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
}
export type ImageReply = { ready: true } | { id: number; pixels: Uint8Array } | { id: number; failure: PlainError };

const options = workerData as LoadImageOptions;
// One thread of libvips for each worker: the engine owns the other cores.
sharp.concurrency(1);

parentPort?.on('message', async ({ id, image }: ImageRequest) => {
  try {
    const loaded = await loadImage(image, options);
    // The decoder's memory, which comes as a Buffer, cannot be handed over.
    const pixels = Buffer.isBuffer(loaded) ? new Uint8Array(loaded) : loaded;
    parentPort?.postMessage({ id, pixels } satisfies ImageReply, [pixels.buffer as ArrayBuffer]);
  } catch (error) {
    parentPort?.postMessage({ id, failure: describeError(error) } satisfies ImageReply);
  }
});
parentPort?.postMessage({ ready: true } satisfies ImageReply);

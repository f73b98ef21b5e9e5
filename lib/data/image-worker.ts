/** A worker thread that decodes and resizes, so that training goes on meanwhile. Speaks with image-workers.ts only. */

import { parentPort, workerData } from 'node:worker_threads';
import sharp from 'sharp';
import { TristageError } from '../core/errors.ts';
import { type LoadImageOptions, loadImage } from './image.ts';
import type { ImageRef } from './sample.ts';

/** A request and its answer. */
export interface ImageRequest {
  id: number;
  image: ImageRef;
}
export type ImageReply =
  | { id: number; pixels: Uint8Array }
  | {
      id: number;
      failure: { message: string; details?: Omit<ConstructorParameters<typeof TristageError>[0], 'cause'> };
    };

const options = workerData as LoadImageOptions;
// One thread of libvips for each worker: the engine owns the other cores.
sharp.concurrency(1);

parentPort?.on('message', async ({ id, image }: ImageRequest) => {
  try {
    // A copy of its own, because the decoder's memory cannot be handed over.
    const pixels = Uint8Array.from(await loadImage(image, options));
    parentPort?.postMessage({ id, pixels } satisfies ImageReply, [pixels.buffer]);
  } catch (error) {
    parentPort?.postMessage({ id, failure: describe(error) } satisfies ImageReply);
  }
});

/** An error as plain data; classes do not survive the way between threads. */
function describe(error: unknown): Extract<ImageReply, { failure: unknown }>['failure'] {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof TristageError)) return { message };
  const { kind, code, where, found, expected, fix } = error;
  const facts = Object.entries({ where, found, expected, fix }).filter(([, value]) => value !== undefined);
  return { message, details: { kind, code, message, ...Object.fromEntries(facts) } };
}

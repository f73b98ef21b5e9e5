/** A worker that dies or hangs at images with such names, for tests of what is done about it. */

import { parentPort } from 'node:worker_threads';
import type { ImageReply, ImageRequest } from '../../lib/data/image-worker.ts';
import { nameOfImage } from '../../lib/data/sample.ts';

parentPort?.on('message', ({ id, image }: ImageRequest) => {
  const name = nameOfImage(image);
  if (name.includes('dies')) process.exit(7);
  if (name.includes('hangs')) for (;;);
  const reply: ImageReply = { id, pixels: Uint8Array.from(Buffer.from(name)) };
  // Never an answer at once, so that several images are with the worker when it ends.
  setTimeout(() => parentPort?.postMessage(reply), name.includes('slow') ? 60 : 2);
});
parentPort?.postMessage({ ready: true } satisfies ImageReply);

/** A worker that dies, hangs or says more than it should at images with such names, for tests of what is done about it. */

import { pbkdf2Sync } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import type { ImageReply, ImageRequest } from '../../lib/data/image-worker.ts';
import { nameOfImage } from '../../lib/data/sample.ts';

// A module that never comes to its end
if (import.meta.url.endsWith('?hangs')) for (;;);

parentPort?.on('message', ({ id, image, into }: ImageRequest) => {
  const name = nameOfImage(image);
  if (name.includes('dies')) process.exit(7);
  if (name.includes('hangs')) for (;;);
  into.fill(0);
  into.set(Buffer.from(name));
  const reply: ImageReply = { id };
  if (name.includes('chatty')) {
    parentPort?.postMessage(reply);
    for (let more = 0; more < 2000; more++) parentPort?.postMessage({ ready: true } satisfies ImageReply);
    // Native work, which nobody can interrupt: the thread ends late.
    pbkdf2Sync('', '', 300_000, 64, 'sha512');
    return;
  }
  // Never an answer at once, so that several images are with the worker when it ends.
  setTimeout(() => parentPort?.postMessage(reply), name.includes('slow') ? 60 : 2);
});
parentPort?.postMessage({ ready: true } satisfies ImageReply);

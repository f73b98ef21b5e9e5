/** How many threads the image library would use: they share the processors with the engine's. */

import sharp from 'sharp';

export interface ImageThreads {
  /** Versions of sharp and of its image library. */
  sharp: string;
  libvips: string;
  /** Threads within one image. */
  threads: number;
  /** Images at the same time in one process: Node's own pool, which UV_THREADPOOL_SIZE sets. */
  images: number;
}

/** What the image library would use in this process as it stands. */
export function imageThreads(): ImageThreads {
  const asked = Number(process.env['UV_THREADPOOL_SIZE']);
  return {
    sharp: sharp.versions.sharp ?? 'unknown',
    libvips: sharp.versions.vips,
    threads: sharp.concurrency(),
    images: Number.isSafeInteger(asked) && asked > 0 ? asked : 4,
  };
}

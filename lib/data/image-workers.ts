/** Images to pixels beside the training thread: a few workers, or none for small work. */

import type { Worker } from 'node:worker_threads';
import { TristageError } from '../core/errors.ts';
import { type LoadImageOptions, loadImage } from './image.ts';
import type { ImageReply, ImageRequest } from './image-worker.ts';
import type { ImageRef } from './sample.ts';
import { errorOf, startThread } from './worker-thread.ts';

export interface ImageWorkers {
  /**
   * @returns u8[S, S, 3]
   * @throws TristageError E_IMAGE as `loadImage`, E_IMAGE_WORKER when a worker died
   */
  load(image: ImageRef): Promise<Uint8Array>;
  /** Stops the workers; requests under way are rejected. */
  close(): Promise<void>;
}

export interface ImageWorkersOptions extends LoadImageOptions {
  /** Worker threads; 0 decodes in this thread's own background and resizes in this thread. Default 1. */
  threads?: number;
}

interface Waiting {
  resolve(pixels: Uint8Array): void;
  reject(error: Error): void;
}

interface Member {
  worker: Worker;
  waiting: Map<number, Waiting>;
  /** Why it ended, once it has. */
  ended?: string;
}

/** Starts the workers; idle workers do not keep the process alive. */
export function createImageWorkers({ threads = 1, ...options }: ImageWorkersOptions): ImageWorkers {
  const members = Array.from({ length: threads }, () => startMember(options));
  let nextId = 0;
  let closed = false;
  return {
    async load(image) {
      if (closed) throw workerDied('it was closed');
      // What is not encoded costs less to resize here than to send to a worker.
      if (members.length === 0 || 'pixels' in image) return loadImage(image, options);
      const member = members.reduce((least, other) => (other.waiting.size < least.waiting.size ? other : least));
      if (member.ended !== undefined) throw workerDied(member.ended);
      const id = nextId++;
      return new Promise((resolve, reject) => {
        member.waiting.set(id, { resolve, reject });
        member.worker.ref();
        member.worker.postMessage({ id, image } satisfies ImageRequest);
      });
    },
    async close() {
      closed = true;
      await Promise.all(members.map(({ worker }) => worker.terminate()));
    },
  };
}

function startMember(options: LoadImageOptions): Member {
  const worker = startThread(new URL('./image-worker.ts', import.meta.url), options);
  const member: Member = { worker, waiting: new Map() };
  worker.unref();
  worker.on('message', (reply: ImageReply) => {
    const waiting = member.waiting.get(reply.id);
    member.waiting.delete(reply.id);
    if (member.waiting.size === 0) worker.unref();
    if ('pixels' in reply) waiting?.resolve(reply.pixels);
    else waiting?.reject(errorOf(reply.failure));
  });
  const fail = (reason: string): void => {
    member.ended ??= reason;
    for (const waiting of member.waiting.values()) waiting.reject(workerDied(reason));
    member.waiting.clear();
  };
  worker.on('error', (error) => fail(error instanceof Error ? error.message : String(error)));
  worker.on('exit', (code) => fail(`it ended with code ${code}`));
  return member;
}

function workerDied(found: string): TristageError {
  return new TristageError({
    kind: 'failure',
    code: 'E_IMAGE_WORKER',
    message: 'a thread that loads images has ended',
    found,
    expected: 'a thread that lives as long as the run',
    fix: 'report this with the run folder',
  });
}

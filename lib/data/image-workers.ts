/**
 * Images to pixels beside the training thread: a few workers, or none for small work. A worker that dies or hangs is replaced and
 * its images are tried once more, each alone; the one that does it again is bad, like a damaged file.
 */

import type { Worker } from 'node:worker_threads';
import { TristageError } from '../core/errors.ts';
import { type LoadImageOptions, loadImage } from './image.ts';
import type { ImageReply, ImageRequest } from './image-worker.ts';
import { createPixelMemory, type PixelMemory } from './pixel-memory.ts';
import { type ImageRef, nameOfImage } from './sample.ts';
import { errorOf, startThread } from './worker-thread.ts';

export interface ImageWorkers {
  /**
   * @returns u8[S, S, 3]
   * @throws TristageError E_IMAGE as `loadImage`; E_IMAGE_WORKER of kind `data` for an image that ended two workers, of kind `failure`
   *   when workers cannot be started, or were closed
   */
  load(image: ImageRef): Promise<Uint8Array>;
  /** As `load`, without a copy: memory shared with the workers, which the collector does not count and `recycle` should get soon. */
  borrow(image: ImageRef): Promise<Uint8Array>;
  /** Gives borrowed pixels back, for another image. */
  recycle(pixels: Uint8Array): void;
  /** Images that workers have at the moment; never more than `threads * atOnce`. */
  inFlight(): number;
  /** Stops the workers; requests under way are rejected. */
  close(): Promise<void>;
}

export interface ImageWorkersOptions extends LoadImageOptions {
  /** Worker threads; 0 decodes in this thread's own background and resizes in this thread. Default 1. */
  threads?: number;
  /**
   * Images that one worker has at a time: it decodes one while it resizes another, and has work left while this thread is busy.
   * Default 8.
   */
  atOnce?: number;
  /** Milliseconds after which a worker that gave no answer counts as hung. Default one minute. */
  patience?: number;
  /** Milliseconds that a worker may take to start. Default one minute. */
  startPatience?: number;
  /** URL of the worker's module, for a decoder of one's own. */
  module?: URL;
}

/** An image that someone waits for. */
interface Job {
  image: ImageRef;
  /** Set once a worker ended while it had this image. */
  suspect: boolean;
  resolve(pixels: Uint8Array): void;
  reject(error: Error): void;
}

interface Member {
  worker: Worker;
  /** True once it takes images. */
  ready: boolean;
  jobs: Map<number, Job & { timer: NodeJS.Timeout; pixels: Uint8Array }>;
}

const PATIENCE = 60_000;

/** Starts the workers; idle workers do not keep the process alive. */
export function createImageWorkers(options: ImageWorkersOptions): ImageWorkers {
  const { threads = 1, atOnce = 8, patience = PATIENCE, startPatience = PATIENCE, module, ...how } = options;
  const url = module ?? new URL('./image-worker.ts', import.meta.url);
  const pool = openPool({ url, threads, atOnce, patience, startPatience, how });
  const borrow: ImageWorkers['borrow'] = async (image) => {
    const ended = pool.ended();
    if (ended !== undefined) throw unavailable(ended);
    // What is not encoded costs less to resize here than to send to a worker.
    if (threads === 0 || 'pixels' in image) return loadImage(image, how);
    return new Promise((resolve, reject) => pool.add({ image, suspect: false, resolve, reject }));
  };
  return {
    ...pool,
    borrow,
    async load(image) {
      const pixels = await borrow(image);
      if (!(pixels.buffer instanceof SharedArrayBuffer)) return pixels;
      const own = pixels.slice();
      pool.recycle(pixels);
      return own;
    },
  };
}

interface PoolOptions {
  url: URL;
  threads: number;
  atOnce: number;
  patience: number;
  startPatience: number;
  how: LoadImageOptions;
}

function openPool({ url, threads, atOnce, patience, startPatience, how }: PoolOptions) {
  const members = new Set<Member>();
  const fresh: Job[] = [];
  const suspects: Job[] = [];
  const memory = createPixelMemory({ shared: true });
  const bytes = how.size * how.size * 3;
  let nextId = 0;
  let ended: string | undefined;

  const hand = (member: Member, job: Job): void => {
    const id = nextId++;
    const timer = overdue(patience, () => {
      if (member.jobs.has(id)) lose(member, `no answer within ${patience / 1000} s`);
    });
    const pixels = memory.take(bytes);
    member.jobs.set(id, { ...job, timer, pixels });
    member.worker.postMessage({ id, image: job.image, into: pixels } satisfies ImageRequest);
  };
  const dispatch = (): void => {
    // Answers still come while workers stop, and whoever stops them waits: they keep the process alive to their end.
    if (ended !== undefined) return;
    for (const member of members) {
      if (!member.ready) continue;
      if (member.jobs.size === 0 && suspects.length > 0) hand(member, suspects.shift() as Job);
      // A suspect is alone with its worker, so that it takes nobody with it.
      const alone = [...member.jobs.values()].some(({ suspect }) => suspect);
      while (!alone && suspects.length === 0 && fresh.length > 0 && member.jobs.size < atOnce) {
        hand(member, fresh.shift() as Job);
      }
    }
    const waiting = fresh.length + suspects.length > 0;
    for (const { worker, jobs } of members) {
      if (waiting || jobs.size > 0) worker.ref();
      else worker.unref();
    }
  };
  const answer = (member: Member, reply: ImageReply): void => {
    if ('ready' in reply) member.ready = true;
    else settle(member, reply, memory);
    dispatch();
  };
  const abandon = (reason: string): void => {
    ended = reason;
    for (const job of [...fresh.splice(0), ...suspects.splice(0)]) job.reject(unavailable(reason));
  };
  /** A worker is gone, or will be. */
  const lose = (member: Member, reason: string): void => {
    if (!members.delete(member)) return;
    void member.worker.terminate();
    // It may still write to the memory of its images, which therefore is not used again.
    for (const { timer, pixels: _, ...job } of member.jobs.values()) {
      clearTimeout(timer);
      if (ended !== undefined) job.reject(unavailable(ended));
      else if (job.suspect) job.reject(quarantined(job.image, reason));
      else suspects.push({ ...job, suspect: true });
    }
    if (ended !== undefined) return;
    // One that never took an image could not be started, and another could not either.
    if (member.ready) start();
    if (members.size === 0) abandon(reason);
    else dispatch();
  };
  const start = (): void => void members.add(startMember({ url, how, answer, lose, patience: startPatience }));
  for (let number = 0; number < threads; number++) start();
  return {
    add(job: Job): void {
      fresh.push(job);
      dispatch();
    },
    recycle: memory.give,
    /** Why no image is taken any more. */
    ended: () => ended,
    inFlight: () => [...members].reduce((sum, { jobs }) => sum + jobs.size, 0),
    async close(): Promise<void> {
      abandon('they were closed');
      const workers = [...members].map(({ worker }) => worker);
      // One that does not keep the process alive could not be waited for.
      for (const worker of workers) worker.ref();
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

/** Like setTimeout, but what arrived while this thread was busy computing is looked at first. */
function overdue(milliseconds: number, act: () => void): NodeJS.Timeout {
  return setTimeout(() => setImmediate(act), milliseconds);
}

/** Hands an answer to who waits for it. */
function settle(member: Member, reply: Exclude<ImageReply, { ready: true }>, memory: PixelMemory): void {
  const job = member.jobs.get(reply.id);
  if (job === undefined) return;
  member.jobs.delete(reply.id);
  clearTimeout(job.timer);
  if (!('failure' in reply)) job.resolve(job.pixels);
  else {
    memory.give(job.pixels);
    job.reject(errorOf(reply.failure));
  }
}

function startMember(request: {
  url: URL;
  how: LoadImageOptions;
  answer: (member: Member, reply: ImageReply) => void;
  lose: (member: Member, reason: string) => void;
  patience: number;
}): Member {
  const { url, how, answer, lose, patience } = request;
  const member: Member = { worker: startThread(url, how), ready: false, jobs: new Map() };
  member.worker.unref();
  const late = () => !member.ready && lose(member, `it did not start within ${patience / 1000} s`);
  overdue(patience, late).unref();
  member.worker.on('message', (reply: ImageReply) => answer(member, reply));
  member.worker.on('error', (error) => lose(member, error instanceof Error ? error.message : String(error)));
  member.worker.on('exit', (code) => lose(member, `it ended with code ${code}`));
  return member;
}

/** The error of an image that no worker survives. */
function quarantined(image: ImageRef, reason: string): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_IMAGE_WORKER',
    message: 'an image ended two workers that decoded it',
    where: nameOfImage(image),
    found: reason,
    expected: 'an image that can be decoded',
    fix: 'look at this file; it may be damaged or hostile',
  });
}

function unavailable(found: string): TristageError {
  return new TristageError({
    kind: 'failure',
    code: 'E_IMAGE_WORKER',
    message: 'the threads that load images are not available',
    found,
    expected: 'threads that live as long as the run',
    fix: 'report this with the run folder',
  });
}

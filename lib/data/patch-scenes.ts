/** Images with the truth of every patch, drawn in a thread of their own so that training goes on meanwhile. */

import { TristageError } from '../core/errors.ts';
import { errorOf, type PlainError, startThread } from './worker-thread.ts';

export type PatchSplit = 'train' | 'heldout';

/** What is asked of a source that knows what each patch of its images shows. */
export interface PatchOptions {
  /** Options of the source, as the run file states them. */
  options: Readonly<Record<string, unknown>>;
  /** Side of the square images in pixels. */
  imageSize: number;
  /** Patches along each side; P is its square. */
  grid: number;
}

/** One image with its truth. */
export interface PatchScene {
  /** u8[S, S, 3]; nobody may write to it. */
  readonly pixels: Uint8Array;
  /** u8[P]: 0 for background, 1 + index of the kind for an object. */
  readonly classes: Uint8Array;
  /** f32[P, 4]: box of the object as fractions of the image; zeros for background. */
  readonly boxes: Float32Array;
}

/** What is known of such images before any is drawn. */
export interface PatchFacts {
  /** Names of the kinds of object. */
  readonly kinds: readonly string[];
  /** Number of training images. */
  readonly length: number;
  /** Equal fingerprints mean equal images. */
  readonly fingerprint: string;
}

/** Such images, any by its index. */
export interface PatchScenes extends PatchFacts {
  /** @param index 0 or more; that of a training image is below `length` */
  scene(split: PatchSplit, index: number): PatchScene;
}

/** What the module that a source names as `patches` must export. */
export interface PatchModule {
  /** @throws TristageError E_SOURCE_OPTIONS for options that do not fit */
  openPatches(request: PatchOptions): Promise<PatchScenes>;
}

/** N images in a row. */
export interface PatchImages {
  /** u8[N, S, S, 3] */
  readonly pixels: Uint8Array;
  /** u8[N * P] */
  readonly classes: Uint8Array;
  /** f32[N * P, 4] */
  readonly boxes: Float32Array;
}

/** What the thread is asked. The first request, of id 0, asks for the facts. */
export type PatchRequest = { id: 0 } | { id: number; split: PatchSplit; from: number; count: number };
/** What it answers. */
export type PatchReply =
  | { id: number; facts: PatchFacts }
  | { id: number; images: PatchImages }
  | { id: number; failure: PlainError };

export interface PatchThread extends PatchFacts {
  /** Draws images `from` to `from + count - 1`; those of training begin anew after the last. */
  draw(split: PatchSplit, from: number, count: number): Promise<PatchImages>;
  /** Stops the thread; requests under way are rejected. */
  close(): Promise<void>;
}

interface Waiting {
  resolve(reply: PatchReply): void;
  reject(error: Error): void;
}

/**
 * Starts the thread and opens the images in it.
 * @param request `module`: URL of the module that the source names
 * @throws what the module throws, E_PATCH_WORKER when the thread ended
 */
export async function openPatchThread(request: PatchOptions & { module: string }): Promise<PatchThread> {
  const worker = startThread(new URL('./patch-worker.ts', import.meta.url), request);
  const waiting = new Map<number, Waiting>();
  let ended: string | undefined;
  let nextId = 1;
  const fail = (reason: string): void => {
    ended ??= reason;
    for (const { reject } of waiting.values()) reject(threadEnded(reason));
    waiting.clear();
  };
  worker.on('message', (reply: PatchReply) => {
    const asked = waiting.get(reply.id);
    waiting.delete(reply.id);
    // While it ends it keeps the process alive: someone waits for that.
    if (waiting.size === 0 && ended === undefined) worker.unref();
    if ('failure' in reply) asked?.reject(errorOf(reply.failure));
    else asked?.resolve(reply);
  });
  worker.on('error', (error) => fail(error instanceof Error ? error.message : String(error)));
  worker.on('exit', (code) => fail(`it ended with code ${code}`));
  const ask = (question: PatchRequest): Promise<PatchReply> =>
    new Promise((resolve, reject) => {
      if (ended !== undefined) return reject(threadEnded(ended));
      waiting.set(question.id, { resolve, reject });
      worker.ref();
      worker.postMessage(question);
    });
  const close = async (): Promise<void> => {
    ended ??= 'it was closed';
    await worker.terminate();
  };
  try {
    const opened = (await ask({ id: 0 })) as Extract<PatchReply, { facts: unknown }>;
    return {
      ...opened.facts,
      close,
      async draw(split, from, count) {
        const reply = await ask({ id: nextId++, split, from, count });
        return (reply as Extract<PatchReply, { images: unknown }>).images;
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function threadEnded(found: string): TristageError {
  return new TristageError({
    kind: 'failure',
    code: 'E_PATCH_WORKER',
    message: 'the thread that draws training images has ended',
    found,
    expected: 'a thread that lives as long as the run',
    fix: 'report this with the run folder',
  });
}

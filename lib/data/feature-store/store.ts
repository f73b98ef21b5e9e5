/**
 * What a frozen vision tower makes of images, on disk: a file for each image, named by a hash of everything that decides its content.
 * A file appears whole or not at all, so any number of processes may read and write one cache; one that is damaged is found by its
 * checksum and made anew.
 */

import { constants } from 'node:fs';
import { mkdir, open, stat } from 'node:fs/promises';
import { writeFileAtomic } from '../../core/atomic.ts';
import { TristageError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { createBudget, entryPath } from './budget.ts';
import { asKept, decodeEntry, type EntryShape, encodeEntry, entryBytes, type FeatureDtype } from './entry.ts';

export interface FeatureStoreOptions {
  /** Folder of the cache; made where it is missing. */
  dir: string;
  /** Everything beside the image that decides the values: weights, transform, engine. Entries of another namespace are never read. */
  namespace: string;
  /** Values of an entry. */
  values: number;
  dtype: FeatureDtype;
  /** Most bytes of all files in the folder, those of other namespaces included. */
  maxBytes: number;
  /** Told once why nothing can be stored. */
  warn?: ((message: string) => void) | undefined;
}

/** What happened to entries since the store was opened. */
export interface StoreCounts {
  /** Entries that were damaged or could not be read. */
  corrupt: number;
  /** Entries that gave way to others. */
  evicted: number;
  /** Entries that found no room or could not be written. */
  unstored: number;
}

export interface FeatureStore {
  /**
   * @param key of the image, see `keyOfImage`
   * @returns f32[values], the caller's to read; undefined where there is no good entry
   */
  get(key: string): Promise<Float32Array | undefined>;
  /** Whether there is an entry of the right size; whether it is whole, `get` says. */
  has(key: string): Promise<boolean>;
  /**
   * Stores values behind the caller's back: it waits only where writing has fallen far behind.
   * @param values f32[values]; nobody may write to it afterwards
   * @returns what `get` gives from now on
   */
  put(key: string, values: Float32Array): Promise<Float32Array>;
  counts(): StoreCounts;
  /** Waits until everything is written. */
  close(): Promise<void>;
}

/** Values that may wait to be written. */
const MOST_WAITING_BYTES = 2 ** 28;

/**
 * Opens a cache.
 * @throws TristageError E_FEATURE_CACHE where its folder cannot be made
 */
export async function openFeatureStore(options: FeatureStoreOptions): Promise<FeatureStore> {
  const { dir, namespace, values: size, dtype, maxBytes, warn } = options;
  await makeFolder(dir);
  const bytes = entryBytes({ values: size, dtype });
  const budget = createBudget({ dir, maxBytes });
  const counts = { corrupt: 0, unstored: 0 };
  const waiting = new Map<string, Float32Array>();
  /** Entries that were found damaged: each counts once, however many steps look for it ahead, and is read again when it is good. */
  const damaged = new Map<string, 'bad' | 'replaced'>();
  let written: Promise<void> = Promise.resolve();
  let warned = false;
  const shapeOf = (key: string): EntryShape => ({ name: sha256(`${namespace}\n${key}`), values: size, dtype });
  const write = async (shape: EntryShape, values: Float32Array): Promise<void> => {
    try {
      if (await budget.room(bytes)) {
        // Not synced: what a power cut leaves of it has a wrong checksum, and costs one image to be seen again.
        await writeFileAtomic(entryPath(dir, shape.name), encodeEntry(values, shape), { durable: false });
        budget.added(bytes);
        if (damaged.has(shape.name)) damaged.set(shape.name, 'replaced');
      } else counts.unstored++;
    } catch (error) {
      counts.unstored++;
      if (!warned) warn?.(`features cannot be stored in ${dir}: ${(error as Error).message}`);
      warned = true;
    } finally {
      waiting.delete(shape.name);
    }
  };
  return {
    async get(key) {
      const shape = shapeOf(key);
      const known = waiting.get(shape.name);
      if (known !== undefined) return known;
      if (damaged.get(shape.name) === 'bad') return undefined;
      const found = await readEntry(entryPath(dir, shape.name), { shape, isFresh: budget.isFresh });
      if (found !== 'damaged') return found;
      if (!damaged.has(shape.name)) {
        damaged.set(shape.name, 'bad');
        counts.corrupt++;
      }
      return undefined;
    },
    async has(key) {
      const { name } = shapeOf(key);
      if (waiting.has(name)) return true;
      const known = await stat(entryPath(dir, name)).catch(() => undefined);
      return known?.isFile() === true && known.size === bytes;
    },
    async put(key, values) {
      if (values.length !== size) throw new RangeError(`${values.length} values for an entry of ${size}`);
      const shape = shapeOf(key);
      const kept = asKept(values, dtype);
      if (!waiting.has(shape.name)) {
        waiting.set(shape.name, kept);
        written = written.then(() => write(shape, kept));
      }
      if (waiting.size * bytes > MOST_WAITING_BYTES) await written;
      return kept;
    },
    counts: () => ({ ...counts, evicted: budget.evicted() }),
    close: () => written,
  };
}

async function makeFolder(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true });
  } catch (cause) {
    throw new TristageError({
      kind: 'config',
      code: 'E_FEATURE_CACHE',
      message: 'the folder of the feature cache cannot be used',
      where: dir,
      found: (cause as NodeJS.ErrnoException).code ?? String(cause),
      expected: 'a folder, or a name that is free',
      fix: 'choose another data.featureCache.dir',
      cause,
    });
  }
}

/** Reads an entry and marks it as used. */
async function readEntry(
  path: string,
  { shape, isFresh }: { shape: EntryShape; isFresh: (usedMs: number) => boolean },
): Promise<Float32Array | 'damaged' | undefined> {
  try {
    // Without O_NONBLOCK, a pipe in the place of a file would be waited for.
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const known = await handle.stat();
      const bytes = new Uint8Array(entryBytes(shape));
      if (known.isFile() && known.size === bytes.length && (await fill(handle, bytes))) {
        const values = decodeEntry(bytes, shape);
        if (values !== undefined) {
          const now = new Date();
          if (!isFresh(known.mtimeMs)) await handle.utimes(now, now).catch(() => undefined);
          return values;
        }
      }
    } finally {
      await handle.close();
    }
    return 'damaged';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? undefined : 'damaged';
  }
}

/** Reads from the start of a file; false where it ends too early. */
async function fill(handle: Awaited<ReturnType<typeof open>>, bytes: Uint8Array): Promise<boolean> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, done);
    if (bytesRead === 0) return false;
    done += bytesRead;
  }
  return true;
}

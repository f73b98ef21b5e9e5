/** The size of a feature cache: what lies in its folder, and what gives way when it is full. */

import { readdir, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isTemporaryName } from '../../core/atomic.ts';

/** Entries lie in 256 folders by the first byte of their hash. */
const FOLDER = /^[0-9a-f]{2}$/;
const ENTRY = /^[0-9a-f]{62}\.features$/;
/** A temporary file of this age is no longer being written. */
const ABANDONED_MS = 3_600_000;
/** Share of the budget that is made free at once, and written before other processes' files are counted anew. */
const SLACK = 0.05;
/** Clocks of file systems tick a little behind those of programs. */
const CLOCK_MS = 50;
/** A file that is dated further ahead was not used by this process, whatever clock dated it. */
const AHEAD_MS = 3_600_000;
/** Files that are looked at together. */
const TOGETHER = 64;

/** Where the entry of a hash lies within the cache folder. */
export function entryPath(dir: string, name: string): string {
  return join(dir, name.slice(0, 2), `${name.slice(2)}.features`);
}

interface Found {
  path: string;
  bytes: number;
  usedMs: number;
}

/** Keeps a folder within its size. */
export interface Budget {
  /** Entries removed so far. */
  evicted(): number;
  /** Whether a file that was last used then counts as used by this process. */
  isFresh(usedMs: number): boolean;
  /**
   * Makes room for a file.
   * @returns false where there is none: everything in the folder was used since this process opened it
   */
  room(bytes: number): Promise<boolean>;
  /** Counts a file that was written. */
  added(bytes: number): void;
}

/**
 * The budget of a folder that other processes may use too. What was not used for longest goes first, equally old files by name; what
 * this process has used never goes, since a data set larger than the cache would otherwise push out each entry just before it is
 * needed again. With several processes that write the folder may outgrow its size by a twentieth for each.
 * @param request `now`: milliseconds of the clock that files are dated by
 */
export function createBudget(request: { dir: string; maxBytes: number; now?: () => number }): Budget {
  const { dir, maxBytes, now = Date.now } = request;
  const opened = now() - CLOCK_MS;
  const slack = maxBytes * SLACK;
  const state = { known: undefined as number | undefined, since: 0, full: false, evicted: 0 };
  const isFresh = (usedMs: number): boolean => usedMs >= opened && usedMs <= now() + AHEAD_MS;
  const evict = async (found: readonly Found[], target: number): Promise<void> => {
    const stale = found.filter(({ usedMs }) => !isFresh(usedMs));
    stale.sort((a, b) => a.usedMs - b.usedMs || (a.path < b.path ? -1 : 1));
    let left = found.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { path, bytes } of stale) {
      if (left <= target) break;
      await rm(path, { force: true });
      left -= bytes;
      state.evicted++;
    }
    state.known = left;
  };
  return {
    evicted: () => state.evicted,
    isFresh,
    async room(bytes) {
      if (bytes > maxBytes || state.full) return false;
      if (state.known === undefined || state.known + bytes > maxBytes || state.since >= slack) {
        const found = await filesIn(dir, now());
        state.known = found.reduce((sum, file) => sum + file.bytes, 0);
        state.since = 0;
        if (state.known + bytes > maxBytes) await evict(found, maxBytes - Math.max(bytes, slack));
        state.full = state.known + bytes > maxBytes;
      }
      return !state.full;
    },
    added(bytes) {
      state.since += bytes;
      state.known = (state.known ?? 0) + bytes;
    },
  };
}

/** The files of a cache; what was left half-written long ago is removed, everything else is not the cache's. */
async function filesIn(dir: string, now: number): Promise<Found[]> {
  const found: Found[] = [];
  for (const folder of (await namesIn(dir)).filter((name) => FOLDER.test(name))) {
    const names = (await namesIn(join(dir, folder))).filter((name) => ENTRY.test(name) || isTemporaryName(name));
    for (let first = 0; first < names.length; first += TOGETHER) {
      const some = names.slice(first, first + TOGETHER).map((name) => fileAt(join(dir, folder, name)));
      for (const file of await Promise.all(some)) if (file !== undefined) found.push(file);
    }
  }
  const abandoned = found.filter(({ path, usedMs }) => isTemporaryName(basename(path)) && now - usedMs > ABANDONED_MS);
  for (const { path } of abandoned) await rm(path, { force: true });
  const gone = new Set(abandoned);
  return found.filter((file) => !gone.has(file));
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}

/** A file that another process has just removed is not there. */
async function fileAt(path: string): Promise<Found | undefined> {
  const known = await stat(path).catch(() => undefined);
  return known?.isFile() ? { path, bytes: known.size, usedMs: known.mtimeMs } : undefined;
}

/** One builder at a time: others wait until it is done or dead. */

import { randomBytes } from 'node:crypto';
import { mkdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** A living owner touches its lock so often. */
const BEAT_MS = 5000;
/** A lock of another machine that was not touched for so long has lost its owner. */
const DEAD_MS = 60_000;
const POLL_MS = 200;

/**
 * Does some work while holding a lock file.
 * @param path of the lock; it exists while the work goes on
 * @param onWait told once when another process holds it
 */
export async function withLock<T>(
  path: string,
  { work, onWait, signal }: { work: () => Promise<T>; onWait?: () => void; signal?: AbortSignal | undefined },
): Promise<T> {
  const own = JSON.stringify({ host: hostname(), pid: process.pid, token: randomBytes(8).toString('hex') });
  await mkdir(dirname(path), { recursive: true });
  for (let waited = false; !(await acquire(path, own)); waited = true) {
    if (!waited) onWait?.();
    await pause(POLL_MS, undefined, signal === undefined ? {} : { signal });
  }
  const beat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, BEAT_MS);
  beat.unref();
  try {
    return await work();
  } finally {
    clearInterval(beat);
    if ((await readFile(path, 'utf8').catch(() => '')) === own) await rm(path, { force: true });
  }
}

async function acquire(path: string, own: string): Promise<boolean> {
  try {
    await writeFile(path, own, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  if (await isAbandoned(path)) await rm(path, { force: true });
  return false;
}

async function isAbandoned(path: string): Promise<boolean> {
  const [text, status] = await Promise.all([readFile(path, 'utf8').catch(() => ''), stat(path).catch(() => undefined)]);
  if (status === undefined) return false;
  const owner = parse(text);
  if (owner?.host === hostname()) return !isAlive(owner.pid);
  return Date.now() - status.mtimeMs > DEAD_MS;
}

function parse(text: string): { host: string; pid: number } | undefined {
  try {
    const { host, pid } = JSON.parse(text) as { host?: unknown; pid?: unknown };
    return typeof host === 'string' && Number.isSafeInteger(pid) ? { host, pid: pid as number } : undefined;
  } catch {
    return undefined;
  }
}

/** Signal 0 asks for a process without disturbing it. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

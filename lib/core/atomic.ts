/**
 * Files and folders that appear whole or not at all: write under a temporary name beside the target, sync, rename.
 * A process that dies in between leaves only a name that `isTemporaryName` recognises; `removeTemporaries` clears them.
 */

import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

const TEMPORARY = /^\.tmp-[0-9a-f]{12}-/;

/** A temporary name in the folder of `path`, unique to this call. */
function temporaryBeside(path: string): string {
  return join(dirname(path), `.tmp-${randomBytes(6).toString('hex')}-${basename(path)}`);
}

/** True for the names under which this module writes before it renames. */
export function isTemporaryName(name: string): boolean {
  return TEMPORARY.test(name);
}

/** Asks the disk to keep a file's bytes. */
async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Asks the disk to keep a folder's list of names; some file systems know no such request, and none needs it for safety of content. */
async function syncFolder(path: string): Promise<void> {
  await syncFile(path).catch((error: NodeJS.ErrnoException) => {
    if (!['EINVAL', 'ENOTSUP', 'EISDIR', 'EPERM'].includes(error.code ?? '')) throw error;
  });
}

/** Syncs every file below a folder, then the folders themselves. */
async function syncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await syncTree(path);
    else if (entry.isFile()) await syncFile(path);
  }
  await syncFolder(folder);
}

/**
 * Writes a file so that a reader sees either the old content or the whole new one, even after a power cut.
 * Creates the folder if it does not exist. On failure the target is untouched and no temporary file stays.
 * @param options see {@link writeStreamAtomic}
 */
export async function writeFileAtomic(
  path: string,
  content: Uint8Array | string,
  options?: { durable?: boolean },
): Promise<void> {
  await writeStreamAtomic(path, (handle) => handle.writeFile(content), options);
}

/**
 * As {@link writeFileAtomic}, for content that comes in pieces.
 * @param write writes everything to the handle and leaves it open
 * @param options `durable` false leaves it to the system when bytes and name reach the disk: after a power cut the file may be
 *   there with less than its content, which its reader must notice. Default true
 */
export async function writeStreamAtomic(
  path: string,
  write: (handle: FileHandle) => Promise<void>,
  { durable = true }: { durable?: boolean } = {},
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = temporaryBeside(path);
  try {
    const handle = await open(temporary, 'wx');
    try {
      await write(handle);
      if (durable) await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  if (durable) await syncFolder(dirname(path));
}

/**
 * Fills a temporary folder, syncs it, and gives it its final name in one step.
 * A folder that already has this name is replaced: moved aside under a temporary name, then removed.
 * @param path final folder
 * @param fill writes the content into the folder it is given; when it throws, nothing is published
 */
export async function publishDirAtomic(path: string, fill: (folder: string) => Promise<void>): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = temporaryBeside(path);
  await mkdir(temporary);
  try {
    await fill(temporary);
    await publishFolderAtomic(temporary, path);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

/**
 * Gives a folder that is complete its final name in one step, as {@link publishDirAtomic} does; on failure it keeps the old one.
 * @param from in the same folder as `path`
 */
export async function publishFolderAtomic(from: string, path: string): Promise<void> {
  await syncTree(from);
  await replaceDir(from, path);
  await syncFolder(dirname(path));
}

async function replaceDir(from: string, to: string): Promise<void> {
  const aside = temporaryBeside(to);
  const replaced = await rename(to, aside).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
  try {
    await rename(from, to);
  } catch (error) {
    if (replaced) await rename(aside, to);
    throw error;
  }
  if (replaced) await rm(aside, { recursive: true, force: true });
}

/**
 * Removes a folder so that no reader ever sees a part of it: it first loses its name. Does nothing when it is absent.
 */
export async function removeDirAtomic(path: string): Promise<void> {
  const aside = temporaryBeside(path);
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  await rm(aside, { recursive: true, force: true });
}

/**
 * Removes what interrupted writes left in a folder. Only the one process that writes there may call it.
 * @returns the names removed, sorted
 */
export async function removeTemporaries(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter(isTemporaryName).sort();
  for (const name of names) await rm(join(folder, name), { recursive: true, force: true });
  return names;
}

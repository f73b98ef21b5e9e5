/** Weights over several files, as Hugging Face saves them: an index names the file of each tensor. */

import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { TristageError } from '../core/errors.ts';
import { fileError } from '../formats/file-bytes.ts';
import { parseStrictJson, type StrictJson } from '../formats/strict-json.ts';
import type { WeightEntry, WeightsFile } from './weights.ts';

function indexError(path: string, message: string, found: string, expected: string): TristageError {
  const fix = 'fetch the index and all of its files again';
  return fileError(path, { code: 'E_WEIGHTS_INDEX', message, found: found.slice(0, 300), expected, fix });
}

/**
 * Opens every file of an index and checks that they hold exactly what it says.
 * @param openOne opens one file of weights
 * @throws TristageError E_WEIGHTS_INDEX when index and files disagree, and what `openOne` throws
 */
export async function openSharded(path: string, openOne: (path: string) => Promise<WeightsFile>): Promise<WeightsFile> {
  const owner = await readIndex(path);
  const files = new Map<string, WeightsFile>();
  const close = async (): Promise<void> => {
    for (const file of files.values()) await file.close();
  };
  try {
    for (const name of new Set(owner.values())) files.set(name, await openOne(join(dirname(path), name)));
    const entries = mergeEntries(path, owner, files);
    const others = [...files.values()].flatMap((file) => file.others);
    const holder = (name: string): WeightsFile => files.get(owner.get(name) ?? '')!;
    const readWide = (name: string) => holder(name).readWide?.(name) ?? holder(name).read(name);
    return { path, entries, others, close, read: (name) => holder(name).read(name), readWide };
  } catch (error) {
    await close();
    throw error;
  }
}

async function readIndex(path: string): Promise<ReadonlyMap<string, string>> {
  let index: StrictJson;
  try {
    // Some programs write the total size with a decimal point; nothing here reads it
    index = parseStrictJson(await readFile(path, 'utf8'), { fractions: true });
  } catch (error) {
    throw indexError(path, 'the index cannot be read', (error as Error).message, 'JSON without duplicate keys');
  }
  const map = index instanceof Map ? index.get('weight_map') : undefined;
  if (!(map instanceof Map) || map.size === 0) {
    throw indexError(path, 'the index names no tensors', 'no weight_map', 'an object weight_map: tensor name -> file');
  }
  const owner = new Map<string, string>();
  for (const [name, file] of map) {
    if (
      typeof file !== 'string' ||
      basename(file) !== file ||
      file === '' ||
      file === '..' ||
      file.endsWith('.index.json')
    ) {
      throw indexError(path, `the index gives no file for ${name}`, JSON.stringify(file), 'a file beside the index');
    }
    owner.set(name, file);
  }
  return owner;
}

function mergeEntries(
  path: string,
  owner: ReadonlyMap<string, string>,
  files: ReadonlyMap<string, WeightsFile>,
): ReadonlyMap<string, WeightEntry> {
  const entries = new Map<string, WeightEntry>();
  for (const [name, file] of owner) {
    const entry = files.get(file)?.entries.get(name);
    if (entry === undefined)
      throw indexError(path, 'a file lacks a tensor of the index', `no ${name} in ${file}`, name);
    entries.set(name, entry);
  }
  for (const [file, { entries: held }] of files) {
    const stray = [...held.keys()].find((name) => owner.get(name) !== file);
    if (stray !== undefined) {
      throw indexError(
        path,
        'a file holds a tensor that the index places elsewhere',
        `${stray} in ${file}`,
        'what the index says',
      );
    }
  }
  return entries;
}

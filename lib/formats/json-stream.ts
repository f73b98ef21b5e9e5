/**
 * Large JSON files item by item: the items of an array, the entries of an object, the lines of a JSONL file. Memory holds one item,
 * never the file. Only where an item ends is found here; what it says is left to `JSON.parse`, which is several times as fast as
 * parsing a file token by token.
 */

import { createReadStream } from 'node:fs';
import { TristageError } from '../core/errors.ts';
import { noteRead } from '../core/read-progress.ts';
import { createJsonScanner, JsonScanError, type JsonScanner } from './json-scanner.ts';

export interface JsonArrayOptions {
  /** Key of the top-level object that holds the array, such as `annotations`. Absent: the file itself is an array. */
  key?: string;
}

const CHUNK_BYTES = 1 << 20;
const MOST_KEYS = 64;

/**
 * The items of the top-level array, or of the array under a key of the top-level object; what follows that array is not read.
 * @throws TristageError E_JSON naming file and byte, for another structure, damage, an early end, or an item above 64 MiB;
 *   E_FILE_READ when the file cannot be read
 */
export async function* jsonArrayItems(path: string, { key }: JsonArrayOptions = {}): AsyncIterable<unknown> {
  const scanner = createJsonScanner(key === undefined ? { kind: 'array' } : { kind: 'array', key });
  for await (const { bytes, at } of scanned(path, scanner)) yield parse(bytes, { path, at });
}

/**
 * Key and value of each entry of the top-level object, or of the object under a key of it.
 * @throws as {@link jsonArrayItems}
 */
export async function* jsonObjectEntries(
  path: string,
  { key }: JsonArrayOptions = {},
): AsyncIterable<[key: string, value: unknown]> {
  const scanner = createJsonScanner(key === undefined ? { kind: 'object' } : { kind: 'object', key });
  for await (const { key: name, bytes, at } of scanned(path, scanner)) {
    yield [parse(name as Buffer, { path, at }) as string, parse(bytes, { path, at })];
  }
}

/**
 * The keys of the top-level object, to tell the forms of a file apart; the first 64 where it has more.
 * @returns undefined for a file that holds an array
 * @throws as {@link jsonArrayItems}
 */
export async function jsonKeys(path: string): Promise<string[] | undefined> {
  if (await beginsWithArray(path)) return undefined;
  const keys: string[] = [];
  for await (const { bytes, at } of scanned(path, createJsonScanner({ kind: 'keys' }))) {
    keys.push(parse(bytes, { path, at }) as string);
    if (keys.length === MOST_KEYS) break;
  }
  return keys;
}

async function beginsWithArray(path: string): Promise<boolean> {
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 4096 })) {
      const first = /[^\s\uFEFF]/u.exec((chunk as Buffer).toString('utf8'))?.[0];
      if (first !== undefined) return first === '[';
    }
    return false;
  } catch (error) {
    throw unreadable(path, error as Error);
  }
}

/**
 * The values of a file with one JSON value on each line; empty lines are passed over.
 * @throws as {@link jsonArrayItems}
 */
export async function* jsonLines(path: string): AsyncIterable<unknown> {
  const scanner = createJsonScanner({ kind: 'lines' });
  for await (const { bytes, at } of scanned(path, scanner)) yield parse(bytes, { path, at });
}

async function* scanned(path: string, scanner: JsonScanner): AsyncGenerator<ReturnType<JsonScanner['end']>[number]> {
  try {
    let position = 0;
    for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES })) {
      position += (chunk as Buffer).length;
      noteRead(path, position);
      // An item lies in the chunk itself where it can: each chunk is fresh memory, so nothing overwrites it.
      for (const item of scanner.feed(chunk as Buffer)) yield item;
      if (scanner.done) return;
    }
    yield* scanner.end();
  } catch (error) {
    if (error instanceof JsonScanError) throw badJson(path, error);
    if (error instanceof Error && 'code' in error && 'syscall' in error) throw unreadable(path, error);
    throw error;
  }
}

function parse(bytes: Buffer, { path, at }: { path: string; at: number }): unknown {
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch (error) {
    throw badJson(path, new JsonScanError(at, error instanceof Error ? error.message : String(error), 'JSON'));
  }
}

function badJson(path: string, { at, found, expected }: JsonScanError): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_JSON',
    message: 'a JSON file cannot be used',
    where: path,
    found: `${found} at byte ${at}`,
    expected,
    fix: 'fetch the file again, or check that it is the file that the source wants',
  });
}

function unreadable(path: string, cause: Error): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_FILE_READ',
    message: 'the file cannot be read',
    where: path,
    found: cause.message,
    expected: 'a readable file',
    fix: 'check the path and its permissions',
    cause,
  });
}

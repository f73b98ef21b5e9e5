/** The annotation files of a source: where an option says, or under the names that its publisher and the usual tools give them. */

import { open, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { z } from 'zod';
import { TristageError } from '../lib/core/errors.ts';
import { emptySource } from '../lib/data/source.ts';

/** The option that names the annotation file of a source with one. */
export function annotationsOption(usual: string) {
  return {
    annotations: z
      .string()
      .min(1)
      .optional()
      .describe(`The file, relative to root or to the current directory. Default: ${usual}.`)
      .meta({ path: true }),
  };
}

export interface FileRequest {
  /** Name of the source, for errors. */
  source: string;
  root: string;
  /** What an option says, relative to root, or to the current directory where root has no such file; it wins. */
  given?: string | undefined;
  /** Names that the file may have; the first that is there counts. */
  names: readonly string[];
  /** Folders below root that are looked through. Default: annotations, then root itself. */
  folders?: readonly string[];
}

/**
 * The absolute path of a file.
 * @throws TristageError E_SOURCE naming what was looked for
 */
export async function annotationFile(request: FileRequest): Promise<string> {
  const { source, root, given, names, folders = ['annotations', '.'] } = request;
  if (given !== undefined) {
    for (const path of [resolve(root, given), resolve(given)]) if (await isFile(path)) return path;
    throw emptySource(source, { where: resolve(root, given), found: 'no such file', expected: 'an annotation file' });
  }
  for (const folder of folders) {
    for (const name of names) if (await isFile(resolve(root, folder, name))) return resolve(root, folder, name);
  }
  const below = folders.map((folder) => (folder === '.' ? 'this folder' : `${folder}/`));
  const expected = `${names.join(' or ')} in ${below.join(' or ')}`;
  throw emptySource(source, { where: root, found: 'no annotation file that is known', expected });
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

/**
 * The first character of a file that is no white space: `[` or `{` tells the forms of JSON files apart.
 * @throws TristageError E_SOURCE for a file that cannot be read or holds nothing
 */
export async function firstByte(path: string): Promise<string> {
  const file = await open(path).catch((cause: unknown) => {
    throw unreadable(path, String((cause as NodeJS.ErrnoException).code ?? cause));
  });
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4096), 0, 4096, 0);
    const text = buffer
      .toString('utf8', 0, bytesRead)
      .replace(/^\uFEFF/, '')
      .trimStart();
    if (text === '') throw unreadable(path, 'nothing');
    return text.charAt(0);
  } finally {
    await file.close();
  }
}

function unreadable(where: string, found: string): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_SOURCE',
    message: 'an annotation file cannot be read',
    where,
    found,
    expected: 'an annotation file of this source',
    fix: 'fetch the file again, or check its path and permissions',
  });
}

/** The error of a row that does not have the shape of its file. */
export function malformedRow(where: string, { found, expected }: { found: unknown; expected: string }): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_SOURCE',
    message: 'an annotation file has another shape',
    where,
    found: (JSON.stringify(found) ?? 'nothing').slice(0, 120),
    expected,
    fix: 'use the published file, or name another with `files`',
  });
}

/** A value as a record of unknown fields, or undefined. */
export function recordOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

/** Rows of parquet files, one row group in memory at a time. */

import { types } from 'node:util';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet';
import { TristageError } from '../core/errors.ts';

/**
 * The rows of a file, in order. 64-bit integers are numbers where they fit, decimal text where they do not.
 * @param columns those that are read; all must be there
 * @throws TristageError E_PARQUET for damage, an early end, a missing column or a codec other than snappy; E_FILE_READ when the
 *   file cannot be read
 */
export async function* parquetRows(
  path: string,
  columns: readonly string[],
): AsyncIterable<Readonly<Record<string, unknown>>> {
  try {
    const file = await asyncBufferFromFile(path);
    const metadata = await parquetMetadataAsync(file);
    const there = parquetSchema(metadata).children.map(({ element }) => element.name);
    const missing = columns.filter((column) => !there.includes(column));
    if (missing.length > 0) {
      throw badParquet(path, `no column ${missing.join(', ')}`, `columns ${columns.join(', ')}`);
    }
    let start = 0;
    for (const group of metadata.row_groups) {
      const end = start + Number(group.num_rows);
      const rows = await parquetReadObjects({ file, metadata, columns: [...columns], rowStart: start, rowEnd: end });
      for (const row of rows) yield plain(row) as Record<string, unknown>;
      start = end;
    }
  } catch (cause) {
    if (cause instanceof TristageError) throw cause;
    const found = cause instanceof Error ? cause.message : String(cause);
    if (cause instanceof Error && 'syscall' in cause) throw unreadable(path, found, cause);
    throw badParquet(path, found, 'a whole parquet file, compressed with snappy or not at all', cause);
  }
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (Array.isArray(value)) return value.map(plain);
  if (types.isTypedArray(value)) return Array.from<unknown, unknown>(value, plain);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, plain(child)]));
}

function badParquet(where: string, found: string, expected: string, cause?: unknown): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_PARQUET',
    message: 'a parquet file cannot be used',
    where,
    found,
    expected,
    fix: 'fetch the file again, or write it anew with these columns and snappy',
    cause,
  });
}

function unreadable(where: string, found: string, cause: unknown): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_FILE_READ',
    message: 'the file cannot be read',
    where,
    found,
    expected: 'a readable file',
    fix: 'check the path and its permissions',
    cause,
  });
}

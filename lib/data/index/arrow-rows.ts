/** Rows as record batches of Apache Arrow: the columns, and both directions. */

import type { Data, DataType, RecordBatch, Schema } from 'apache-arrow';
import type { RowImage, SourceRow } from '../rows.ts';

/** The library, loaded when an index is first touched: a run without one must not wait for it. */
export type Arrow = typeof import('apache-arrow');

let loaded: Promise<Arrow> | undefined;

/** Loads the library once. */
export function loadArrow(): Promise<Arrow> {
  loaded ??= import('apache-arrow');
  return loaded;
}

/** Columns in file order. `file` is the image's file, or the tar that holds it under `member`. */
export const COLUMNS = [
  ['id', 'utf8'],
  ['file', 'utf8'],
  ['member', 'utf8'],
  ['offset', 'int64'],
  ['size', 'int64'],
  ['width', 'int32'],
  ['height', 'int32'],
  ['record', 'utf8'],
] as const;

type ColumnType = (typeof COLUMNS)[number][1];

/** Buffers of the body for each kind of column: validity and values, texts with their offsets between. */
export const BUFFERS: Readonly<Record<ColumnType, number>> = { utf8: 3, int64: 2, int32: 2 };

function typeOf({ Utf8, Int64, Int32 }: Arrow, type: ColumnType): DataType {
  return { utf8: () => new Utf8(), int64: () => new Int64(), int32: () => new Int32() }[type]();
}

export function rowSchema(arrow: Arrow): Schema {
  const fields = COLUMNS.map(
    ([name, type]) => new arrow.Field(name, typeOf(arrow, type), name !== 'id' && name !== 'record'),
  );
  return new arrow.Schema(fields);
}

type Cells = readonly (string | number | undefined)[];

/** A row with its record as text, so that it is turned into text once. */
export interface EncodedRow extends Omit<SourceRow<unknown>, 'record'> {
  /** JSON. */
  record: string;
}

function cellsOf({ id, image, record }: EncodedRow): Cells {
  if (image === undefined) return [id, undefined, undefined, undefined, undefined, undefined, undefined, record];
  const { width, height } = image;
  if ('file' in image) return [id, image.file, undefined, undefined, undefined, width, height, record];
  return [id, image.shard, image.name, image.offset, image.size, width, height, record];
}

/** One record batch of rows, in order. */
export function encodeRows(arrow: Arrow, schema: Schema, rows: readonly EncodedRow[]): RecordBatch {
  const cells = rows.map(cellsOf);
  const children = COLUMNS.map(([, type], column) => {
    const values = cells.map((row) => row[column]);
    return type === 'utf8' ? textColumn(arrow, values) : numberColumn(arrow, type, values);
  });
  const data = arrow.makeData({ type: new arrow.Struct(schema.fields), length: rows.length, nullCount: 0, children });
  return new arrow.RecordBatch(schema, data);
}

function validity(values: Cells): { nullCount: number; nullBitmap?: Uint8Array } {
  const nullCount = values.reduce<number>((sum, value) => sum + (value === undefined ? 1 : 0), 0);
  if (nullCount === 0) return { nullCount };
  const nullBitmap = new Uint8Array(Math.ceil(values.length / 64) * 8);
  for (const [place, value] of values.entries()) {
    if (value !== undefined) nullBitmap[place >> 3] = (nullBitmap[place >> 3] as number) | (1 << (place & 7));
  }
  return { nullCount, nullBitmap };
}

function textColumn(arrow: Arrow, values: Cells): Data {
  const texts = values.map((value) => Buffer.from(value === undefined ? '' : String(value), 'utf8'));
  const valueOffsets = new Int32Array(values.length + 1);
  for (const [place, text] of texts.entries()) {
    valueOffsets[place + 1] = (valueOffsets[place] as number) + text.length;
  }
  const data = Buffer.concat(texts);
  return arrow.makeData({ type: new arrow.Utf8(), length: values.length, ...validity(values), valueOffsets, data });
}

function numberColumn(arrow: Arrow, type: 'int64' | 'int32', values: Cells): Data {
  const common = { length: values.length, ...validity(values) };
  const numbers = values.map((value) => Number(value ?? 0));
  return type === 'int64'
    ? arrow.makeData({ type: new arrow.Int64(), ...common, data: BigInt64Array.from(numbers, BigInt) })
    : arrow.makeData({ type: new arrow.Int32(), ...common, data: Int32Array.from(numbers) });
}

/**
 * One row of a batch.
 * @throws Error for cells that no writer of ours leaves, SyntaxError for a record that is not JSON
 */
export function decodeRow(batch: RecordBatch, place: number): SourceRow<unknown> {
  const cell = (column: number): unknown => batch.getChildAt(column)?.get(place) ?? undefined;
  const id = cell(0);
  const record = cell(7);
  if (typeof id !== 'string' || typeof record !== 'string') throw new Error('a row without id or record');
  const image = imageOf([1, 2, 3, 4, 5, 6].map(cell));
  return { id, ...(image === undefined ? {} : { image }), record: JSON.parse(record) as unknown };
}

function imageOf([file, name, offset, size, width, height]: readonly unknown[]): RowImage | undefined {
  if (file === undefined) return undefined;
  if (typeof file !== 'string') throw new Error('an image without a file');
  const known = typeof width === 'number' && typeof height === 'number' ? { width, height } : {};
  if (name === undefined) return { file, ...known };
  if (typeof name !== 'string' || typeof offset !== 'bigint' || typeof size !== 'bigint') {
    throw new Error('a member of a tar without its place');
  }
  return { shard: file, name, offset: Number(offset), size: Number(size), ...known };
}

/**
 * Segments: Arrow files of at most a section of rows each, all record batches but the last of one size, so that a row's place follows
 * from its number. A batch is read by its place in the file; the file itself never is.
 */

import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { writeStreamAtomic } from '../../core/atomic.ts';
import { TristageError } from '../../core/errors.ts';
import { type ByteFile, withByteFile } from '../../formats/file-bytes.ts';
import { type ShardRun, watchShards } from '../shard-starts.ts';
import { type Arrow, BUFFERS, COLUMNS, type EncodedRow, encodeRows, loadArrow, rowSchema } from './arrow-rows.ts';

/** What the manifest says of a segment. */
export interface Segment {
  rows: number;
  bytes: number;
  sha256: string;
  /** CRC-32 of each record batch: text that was changed by accident may still be JSON. */
  crc: number[];
  /** Where its tars begin; null where it has none, or they take turns. */
  shards: ShardRun | null;
}

/** Name of a segment within the folder of its index. */
export function segmentName(place: number): string {
  return `rows-${String(place).padStart(5, '0')}.arrow`;
}

/**
 * Writes a segment that appears whole or not at all; holds one batch in memory.
 * @param rows at least one
 */
export async function writeSegment(
  path: string,
  { rows, batchRows }: { rows: AsyncIterable<EncodedRow>; batchRows: number },
): Promise<Segment> {
  const arrow = await loadArrow();
  const schema = rowSchema(arrow);
  const segment: Segment = { rows: 0, bytes: 0, sha256: '', crc: [], shards: null };
  const shards = watchShards();
  await writeStreamAtomic(path, async (handle) => {
    const hash = createHash('sha256');
    const writer = new arrow.RecordBatchFileWriter();
    const written = (async () => {
      for await (const chunk of writer) {
        hash.update(chunk);
        segment.bytes += chunk.byteLength;
        await handle.writeFile(chunk);
      }
    })();
    // Reported by the last await; until then it must not count as unhandled.
    written.catch(() => undefined);
    for await (const batch of grouped(rows, batchRows)) {
      segment.rows += batch.length;
      for (const { image } of batch) shards.add(image);
      writer.write(encodeRows(arrow, schema, batch));
    }
    writer.finish();
    await written;
    segment.sha256 = hash.digest('hex');
    segment.shards = shards.run();
  });
  const { rows: written, bytes } = segment;
  for (const place of await readBatchPlaces(path, { rows: written, bytes, batchRows })) {
    segment.crc.push(crc32(await readPlace(path, place)));
  }
  return segment;
}

async function* grouped<T>(items: AsyncIterable<T>, size: number): AsyncIterable<T[]> {
  let group: T[] = [];
  for await (const item of items) {
    group.push(item);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

/** Where a record batch lies in its file. */
export interface BatchPlace {
  offset: number;
  /** Bytes of the message before the body. */
  head: number;
  body: number;
}

const MAGIC = 'ARROW1';
/** Length of the footer and the magic word behind it. */
const TAIL_BYTES = 10;
/** Of a footer beside its list of batches. */
const MAX_FOOTER_BYTES = 1 << 16;
/** Of one entry of that list. */
const BLOCK_BYTES = 24;

/**
 * Reads the footer of a segment.
 * @param expected what the manifest says
 * @throws TristageError E_INDEX for damage or another file
 */
export async function readBatchPlaces(
  path: string,
  { rows, bytes, batchRows }: { rows: number; bytes: number; batchRows: number },
): Promise<BatchPlace[]> {
  const batches = Math.ceil(rows / batchRows);
  const footer = await withIndexFile(path, async (file) => {
    if (file.size !== bytes) throw badIndex(path, `${file.size} bytes`, `${bytes} bytes, as the manifest says`);
    if (file.size < 2 * TAIL_BYTES) throw badIndex(path, `${file.size} bytes`, 'an Arrow file');
    const tail = Buffer.from(await file.read(file.size - TAIL_BYTES, TAIL_BYTES));
    const length = tail.readInt32LE(0);
    const most = Math.min(file.size - TAIL_BYTES, MAX_FOOTER_BYTES + batches * BLOCK_BYTES);
    if (tail.toString('latin1', 4) !== MAGIC || length <= 0 || length > most) {
      throw badIndex(path, `an end of the bytes ${tail.toString('hex')}`, 'the footer of an Arrow file');
    }
    return file.read(file.size - TAIL_BYTES - length, length);
  });
  const places = await decodeFooter(footer, { path, batches });
  for (const { offset, head, body } of places) {
    const inside = offset >= 8 && head > 8 && body >= 0 && offset + head + body <= bytes;
    if (!inside) throw badIndex(path, `a batch of ${head} + ${body} bytes at ${offset}`, 'a place inside the file');
  }
  return places;
}

/** Walks the footer field by field: its own counts are not believed before they are compared. */
async function decodeFooter(
  bytes: Uint8Array,
  { path, batches }: { path: string; batches: number },
): Promise<BatchPlace[]> {
  const [{ Footer }, { ByteBuffer }] = await Promise.all([import('apache-arrow/fb/footer'), import('flatbuffers')]);
  try {
    const footer = Footer.getRootAsFooter(new ByteBuffer(bytes));
    const schema = footer.schema();
    const names = COLUMNS.map((_, place) => schema?.fields(place)?.name());
    if (schema?.fieldsLength() !== COLUMNS.length || names.some((name, place) => name !== COLUMNS[place]?.[0])) {
      throw badIndex(path, `columns ${names.join(', ')}`, COLUMNS.map(([name]) => name).join(', '));
    }
    if (footer.recordBatchesLength() !== batches || footer.dictionariesLength() !== 0) {
      throw badIndex(path, `${footer.recordBatchesLength()} batches`, `${batches}, as the manifest says`);
    }
    return Array.from({ length: batches }, (_, place) => {
      const block = footer.recordBatches(place);
      return {
        offset: Number(block?.offset()),
        head: Number(block?.metaDataLength()),
        body: Number(block?.bodyLength()),
      };
    });
  } catch (error) {
    if (error instanceof TristageError) throw error;
    throw badIndex(path, error instanceof Error ? error.message : String(error), 'the footer of an Arrow file', error);
  }
}

function readPlace(path: string, { offset, head, body }: BatchPlace): Promise<Uint8Array> {
  return withIndexFile(path, (file) => file.read(offset, head + body));
}

/**
 * One record batch.
 * @param expected its rows and CRC-32 as the manifest says
 * @throws TristageError E_INDEX for damage
 */
export async function readBatch(
  path: string,
  { place, rows, crc }: { place: BatchPlace; rows: number; crc: number | undefined },
) {
  const bytes = await readPlace(path, place);
  if (crc32(bytes) !== crc) throw badIndex(path, `other bytes at ${place.offset}`, 'what was written there');
  const arrow = await loadArrow();
  try {
    await checkMessage(bytes, { place, rows });
    const [batch] = arrow.RecordBatchReader.from([schemaMessage(arrow), bytes]);
    if (batch?.numRows !== rows) throw new Error(`a batch of ${batch?.numRows} rows`);
    return batch;
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    throw badIndex(path, `${found}, at byte ${place.offset}`, `a batch of ${rows} rows`, error);
  }
}

/** Counts of a damaged message would be believed by the library and walked to their end. */
async function checkMessage(bytes: Uint8Array, { place, rows }: { place: BatchPlace; rows: number }): Promise<void> {
  const [{ Message }, { RecordBatch }, { ByteBuffer }] = await Promise.all([
    import('apache-arrow/fb/message'),
    import('apache-arrow/fb/record-batch'),
    import('flatbuffers'),
  ]);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  if (view.getInt32(0, true) !== -1 || view.getInt32(4, true) !== place.head - 8) throw new Error('no message');
  const message = Message.getRootAsMessage(new ByteBuffer(bytes.subarray(8, place.head)));
  const batch = message.header(new RecordBatch()) as InstanceType<typeof RecordBatch> | null;
  const buffers = COLUMNS.reduce((sum, [, type]) => sum + BUFFERS[type], 0);
  const fits =
    Number(message.bodyLength()) === place.body &&
    Number(batch?.length()) === rows &&
    batch?.nodesLength() === COLUMNS.length &&
    batch.buffersLength() === buffers &&
    batch.compression() === null &&
    message.customMetadataLength() === 0;
  if (!fits) throw new Error('a message of another kind');
}

let schemaBytes: Uint8Array | undefined;

/** The schema as the first message of a stream. A file of this writer holds it in its footer only. */
function schemaMessage(arrow: Arrow): Uint8Array {
  if (schemaBytes === undefined) {
    const writer = new arrow.RecordBatchStreamWriter();
    writer.reset(undefined, rowSchema(arrow));
    schemaBytes = writer.toUint8Array(true);
  }
  return schemaBytes;
}

/** Opens a file of an index; an error of reading it is one of the index. */
async function withIndexFile<T>(path: string, work: (file: ByteFile) => Promise<T>): Promise<T> {
  try {
    return await withByteFile(path, work);
  } catch (error) {
    if (error instanceof TristageError && error.code === 'E_FILE_READ') {
      throw badIndex(path, error.found ?? error.message, error.expected ?? 'a readable file', error);
    }
    throw error;
  }
}

/** The error of an index that cannot be used. */
export function badIndex(where: string, found: string, expected: string, cause?: unknown): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_INDEX',
    message: 'an index cannot be used',
    where,
    found,
    expected,
    fix: 'remove this folder if it is an index, and prepare the source again; or name another folder',
    cause,
  });
}

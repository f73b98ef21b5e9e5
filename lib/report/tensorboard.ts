/**
 * TensorBoard event files with scalars. A file is a row of TFRecords (tensorflow: record_writer.cc), each holding one protobuf
 * message Event (tensorflow: event.proto, summary.proto). The few fields that scalars need are encoded here by hand.
 */

import { closeSync, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Writes scalars into one event file. */
export interface ScalarWriter {
  /** The event file. */
  readonly path: string;
  /**
   * Appends one event with all scalars of a step; readers see it at once. Values travel as float32, NaN and infinities included.
   * @param scalars value by tag; a `/` in a tag groups charts, as in `loss/refer`
   * @param time seconds since 1970; default now
   */
  write(step: number, scalars: Readonly<Record<string, number>>, time?: number): void;
  /** Asks the disk to keep what was written. */
  flush(): void;
  close(): void;
}

/** First event of every file; names the format. */
const FILE_VERSION = 'brain.Event:2';
/** SessionLog.START */
const SESSION_START = 1;
/** Field numbers of the messages. */
const EVENT = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 } as const;
const SUMMARY_VALUE = 1;
const VALUE = { tag: 1, simpleValue: 2 } as const;
const SESSION_STATUS = 1;
/** Wire types of protobuf. */
const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** Tells the files apart that one process opens within a millisecond. */
let opened = 0;

/**
 * Opens a new event file in a folder, which is made where it does not exist. Every start of a process has its own file; TensorBoard
 * reads all files of a folder in the order of their names, so the name begins with the time.
 * @param request `resumeFrom` is the step of the checkpoint that a run goes on from: TensorBoard then drops what earlier files hold
 *   of later steps, which will be written again
 */
export function openScalarWriter(request: { folder: string; resumeFrom?: number; time?: number }): ScalarWriter {
  const { folder, resumeFrom = 0, time = Date.now() / 1000 } = request;
  mkdirSync(folder, { recursive: true });
  opened += 1;
  const [second, fraction] = time.toFixed(3).padStart(14, '0').split('.');
  const order = String(opened).padStart(4, '0');
  const path = join(folder, `events.out.tfevents.${second}.${fraction}.${order}.${process.pid}.tristage`);
  const file = openSync(path, 'wx');
  const append = (event: Uint8Array): void => writeWhole(file, tfRecord(event));
  append(concat(doubleField(EVENT.wallTime, time), bytesField(EVENT.fileVersion, utf8(FILE_VERSION))));
  if (resumeFrom > 0) append(sessionStart(resumeFrom + 1, time));
  return {
    path,
    write: (step, scalars, at = Date.now() / 1000) => append(scalarEvent({ step, scalars, time: at })),
    flush: () => fsyncSync(file),
    close: () => closeSync(file),
  };
}

/** One record: length, masked checksum of the length, data, masked checksum of the data; little-endian. */
export function tfRecord(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(data.length + 16);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc(data), true);
  return record;
}

/** An Event with a Summary of scalars. */
function scalarEvent(request: { step: number; scalars: Readonly<Record<string, number>>; time: number }): Uint8Array {
  const values = Object.entries(request.scalars).map(([tag, value]) =>
    bytesField(SUMMARY_VALUE, concat(bytesField(VALUE.tag, utf8(tag)), floatField(VALUE.simpleValue, value))),
  );
  return concat(
    doubleField(EVENT.wallTime, request.time),
    integerField(EVENT.step, request.step),
    bytesField(EVENT.summary, concat(...values)),
  );
}

/** An Event that tells readers to forget this step and later ones. */
function sessionStart(step: number, time: number): Uint8Array {
  return concat(
    doubleField(EVENT.wallTime, time),
    integerField(EVENT.step, step),
    bytesField(EVENT.sessionLog, integerField(SESSION_STATUS, SESSION_START)),
  );
}

function key(field: number, wire: number): Uint8Array {
  return varint((field << 3) | wire);
}

function integerField(field: number, value: number): Uint8Array {
  return concat(key(field, WIRE.varint), varint(value));
}

function doubleField(field: number, value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  return concat(key(field, WIRE.fixed64), bytes);
}

function floatField(field: number, value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return concat(key(field, WIRE.fixed32), bytes);
}

function bytesField(field: number, value: Uint8Array): Uint8Array {
  return concat(key(field, WIRE.bytes), varint(value.length), value);
}

/** Seven bits a byte, low bits first, the top bit set where more follow. */
function varint(value: number): Uint8Array {
  if (!(Number.isSafeInteger(value) && value >= 0))
    throw new RangeError(`a step must be an integer from 0, found ${value}`);
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  return Uint8Array.from([...bytes, rest]);
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** The disk may take less than it was given. */
function writeWhole(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
}

/** Remainders of the Castagnoli polynomial, bits reversed, for each byte. */
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** CRC-32C of bytes (RFC 3720, appendix B.4 has test vectors). */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (CRC_TABLE[(crc ^ byte) & 255] as number) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** The checksum as TFRecords store it: rotated and shifted, since a checksum of data that holds checksums is weak. */
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

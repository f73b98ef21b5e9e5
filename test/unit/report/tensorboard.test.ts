import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { crc32c, openScalarWriter, tfRecord } from '../../../lib/report/tensorboard.ts';

const folder = mkdtempSync(join(tmpdir(), 'tristage-tensorboard-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Records of a file; checks both checksums of each. */
function readRecords(path: string): Buffer[] {
  const file = readFileSync(path);
  const unmask = (masked: number): number => {
    const rotated = (masked - 0xa282ead8) >>> 0;
    return ((rotated >>> 17) | (rotated << 15)) >>> 0;
  };
  const records: Buffer[] = [];
  for (let place = 0; place < file.length; ) {
    const length = Number(file.readBigUInt64LE(place));
    assert.equal(unmask(file.readUInt32LE(place + 8)), crc32c(file.subarray(place, place + 8)));
    const data = file.subarray(place + 12, place + 12 + length);
    assert.equal(unmask(file.readUInt32LE(place + 12 + length)), crc32c(data));
    records.push(data);
    place += 16 + length;
  }
  return records;
}

type Field = [number, number | Buffer];

/** Fields of one protobuf message: integers, doubles and floats as numbers, the rest as bytes. */
function readFields(message: Buffer): Field[] {
  const fields: Field[] = [];
  let place = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[place++] as number;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  const take = (length: number): Buffer => {
    place += length;
    return message.subarray(place - length, place);
  };
  while (place < message.length) {
    const key = varint();
    if ((key & 7) === 0) fields.push([key >> 3, varint()]);
    else if ((key & 7) === 1) fields.push([key >> 3, take(8).readDoubleLE()]);
    else if ((key & 7) === 5) fields.push([key >> 3, take(4).readFloatLE()]);
    else {
      assert.equal(key & 7, 2);
      fields.push([key >> 3, take(varint())]);
    }
  }
  return fields;
}

interface Decoded {
  time: number;
  step: number;
  scalars: Record<string, number>;
  version?: string;
  status?: number;
}

function decode(record: Buffer): Decoded {
  const event: Decoded = { time: 0, step: 0, scalars: {} };
  for (const [field, value] of readFields(record)) {
    if (field === 1) event.time = value as number;
    else if (field === 2) event.step = value as number;
    else if (field === 3) event.version = String(value);
    else if (field === 7) event.status = readFields(value as Buffer)[0]?.[1] as number;
    else {
      assert.equal(field, 5);
      for (const [inner, entry] of readFields(value as Buffer)) {
        assert.equal(inner, 1);
        const [[one, tag], [two, number]] = readFields(entry as Buffer) as [Field, Field];
        assert.deepEqual([one, two], [1, 2]);
        event.scalars[String(tag)] = number as number;
      }
    }
  }
  return event;
}

describe('crc32c', () => {
  test('gives the published check value and the vectors of RFC 3720', () => {
    assert.equal(crc32c(ascii('123456789')), 0xe3069283);
    assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
    assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
    assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, place) => place)), 0x46dd794e);
    assert.equal(crc32c(new Uint8Array(0)), 0);
  });
});

describe('event files', () => {
  test('a record frames its data with length and masked checksums', () => {
    // 0x364b3fb7 is the CRC-32C of 'abc'; the mask is written out from its definition.
    const record = Buffer.from(tfRecord(ascii('abc')));
    assert.equal(record.length, 19);
    assert.equal(record.readBigUInt64LE(0), 3n);
    const crc = crc32c(ascii('abc'));
    assert.equal(crc, 0x364b3fb7);
    assert.equal(record.readUInt32LE(15), (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
    assert.equal(record.subarray(12, 15).toString(), 'abc');
  });

  test('what is written can be read back, at once and in order', () => {
    const writer = openScalarWriter({ folder: join(folder, 'plain', 'deep'), time: 1700000000.5 });
    writer.write(1, { loss: 2.5, 'loss/refer': -0.125 }, 1700000001.25);
    writer.write(3_000_000_000, { loss: Number.NaN, grösse: Number.POSITIVE_INFINITY });
    writer.flush();
    const [head, first, second, ...rest] = readRecords(writer.path).map(decode);
    writer.close();
    assert.deepEqual(head, { time: 1700000000.5, step: 0, scalars: {}, version: 'brain.Event:2' });
    assert.deepEqual(first, { time: 1700000001.25, step: 1, scalars: { loss: 2.5, 'loss/refer': -0.125 } });
    assert.equal(second?.step, 3_000_000_000);
    assert.deepEqual(second?.scalars, { loss: Number.NaN, grösse: Number.POSITIVE_INFINITY });
    assert.deepEqual(rest, []);
  });

  test('values keep the precision of float32', () => {
    const writer = openScalarWriter({ folder: join(folder, 'precision') });
    writer.write(7, { x: 0.1 });
    writer.close();
    assert.equal(decode(readRecords(writer.path)[1] as Buffer).scalars['x'], Math.fround(0.1));
  });

  test('every start has its own file, later ones sorting behind, and a resumed one says which steps are void', () => {
    const at = join(folder, 'resumed');
    const first = openScalarWriter({ folder: at, time: 1700000000 });
    first.write(1, { loss: 1 });
    first.close();
    const second = openScalarWriter({ folder: at, time: 1700000000, resumeFrom: 40 });
    second.close();
    assert.deepEqual(readdirSync(at).sort(), [basename(first.path), basename(second.path)]);
    assert.match(basename(first.path), /^events\.out\.tfevents\.1700000000\./);
    assert.deepEqual(readRecords(second.path).map(decode).slice(1), [
      { time: 1700000000, step: 41, scalars: {}, status: 1 },
    ]);
  });

  test('a step that is no count is refused before anything is written', () => {
    const writer = openScalarWriter({ folder: join(folder, 'refused') });
    for (const step of [-1, 0.5, Number.NaN]) assert.throws(() => writer.write(step, { loss: 1 }), RangeError);
    assert.equal(readRecords(writer.path).length, 1);
    writer.close();
  });
});

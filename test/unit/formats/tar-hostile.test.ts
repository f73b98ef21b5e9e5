/** Tars cut short, changed and lying: refused with shard, byte and cause; as a source reads them, set aside and counted. */
import assert from 'node:assert/strict';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { webdataset } from '../../../datasets/webdataset.ts';
import { TristageError } from '../../../lib/core/errors.ts';
import { randomStream } from '../../../lib/core/rng.ts';
import { indexTar } from '../../../lib/formats/tar.ts';
import { plainTar } from '../../../lib/formats/tar-gzip.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { samplesOf } from '../datasets/open-source.ts';
import { paxRecord, type RawMember, TAR_END, tarMember, tarOf } from './tar-blocks.ts';

const folder = temporaryFolder('tristage-hostile-');
const path = join(folder, 'made.tar');

async function index(bytes: Uint8Array) {
  await writeFile(path, bytes);
  return indexTar(path);
}

const text = { task: 'text', turns: [{ question: 'a?', answer: 'b' }] };
const json = JSON.stringify(text);
const plain: RawMember = { name: 'a.json', content: json };

/** Every kind of header that is read, contents that fill no block, one, and more than one. */
const WHOLE: readonly RawMember[] = [
  { name: 'folder/', type: '5' },
  plain,
  { name: 'g', type: 'g', content: paxRecord('comment', 'of all') },
  { name: 'x', type: 'x', content: paxRecord('path', 'by/pax.json') + paxRecord('size', String(json.length)) },
  { name: 'short.json', content: json },
  { name: '././@LongLink', type: 'L', content: `${'long/'.repeat(40)}c.json\0` },
  { name: 'long', content: json },
  { name: 'd.bin', content: new Uint8Array(1300).fill(7) },
  { name: 'e.bin', content: new Uint8Array(512).fill(9) },
  { name: 'f.bin' },
];
const sound = tarOf(...WHOLE);
/** A whole header of zeros ends an archive; a second one, and more, are padding. */
const enough = sound.length - TAR_END.length + 512;

/** 50 places below a bound, always the same ones. */
function seededPlaces(bound: number, seed: number): number[] {
  const random = randomStream(seed);
  return Array.from({ length: 50 }, (_, draw) => random.integer(draw, bound));
}

describe('tars cut short', () => {
  const boundaries = Array.from({ length: enough / 512 }, (_, block) => block * 512).flatMap((at) => [
    at,
    at + 1,
    at + 511,
  ]);

  test('at every boundary of headers and contents, a byte before and behind it, and at 50 other places, it is refused', async () => {
    for (const length of [...boundaries, ...seededPlaces(enough, 1)]) {
      await assert.rejects(index(sound.subarray(0, length)), (error: TristageError) => {
        assert.deepEqual([error.code, error.kind, error.where], ['E_TAR_TRUNCATED', 'data', path], `${length} bytes`);
        assert.match(error.found ?? '', /byte|\d+ bytes at \d+/);
        return true;
      });
    }
  });

  test('without its padding it is whole', async () => {
    const names = (await index(sound)).map(({ name }) => name);
    assert.equal(names.length, 6);
    for (const length of [enough, enough + 1, sound.length - 1]) {
      assert.deepEqual(
        (await index(sound.subarray(0, length))).map(({ name }) => name),
        names,
      );
    }
  });

  test('compressed, at any place, it is refused and nothing of it is kept', async () => {
    const whole = gzipSync(sound);
    const before = process.env['TRISTAGE_CACHE_DIR'];
    process.env['TRISTAGE_CACHE_DIR'] = join(folder, 'cache');
    try {
      for (const [place, length] of [0, 1, 9, 10, whole.length - 1, ...seededPlaces(whole.length, 2)].entries()) {
        const cut = join(folder, `${place}.tar.gz`);
        await writeFile(cut, whole.subarray(0, length));
        await assert.rejects(plainTar(cut), { code: 'E_TAR', kind: 'data', where: cut }, `${length} bytes`);
      }
    } finally {
      if (before === undefined) delete process.env['TRISTAGE_CACHE_DIR'];
      else process.env['TRISTAGE_CACHE_DIR'] = before;
    }
  });
});

describe('tars that lie', () => {
  const lies: readonly [record: string, found: RegExp][] = [
    ['0 path=a\n', /PAX record at byte 0/],
    ['8 path=a\n', /PAX record at byte 0/],
    ['11 path=a\n', /PAX record at byte 0/],
    ['9000 path=a\n', /PAX record at byte 0/],
    ['99999999999999999999 path=a\n', /PAX record at byte 0/],
    ['-9 path=a\n', /PAX record at byte 0/],
    ['+9 path=a\n', /PAX record at byte 0/],
    ['9e0 path=a\n', /PAX record at byte 0/],
    ['0x9 path=a\n', /PAX record at byte 0/],
    [' path=a\n', /PAX record at byte 0/],
    ['path=a\n', /PAX record at byte 0/],
    [`${paxRecord('path', 'b')}3 `, /PAX record at byte 9/],
    ['9 pathna\n', /without a key/],
    ['5 =a\n', /without a key/],
    [paxRecord('size', '1e3'), /PAX size/],
    [paxRecord('size', '9007199254740993'), /PAX size/],
    [paxRecord('size', ''), /PAX size/],
    [paxRecord('GNU.sparse.map', '0,1'), /sparse/],
    [paxRecord('GNU.sparse.realsize', '1'), /sparse/],
  ];
  for (const [record, found] of lies) {
    test(`the PAX record ${JSON.stringify(record)} is refused with its place`, async () => {
      const bytes = tarOf(plain, { name: 'x', type: 'x', content: record }, plain);
      await assert.rejects(index(bytes), (error: TristageError) => {
        assert.deepEqual([error.code, error.kind], ['E_TAR', 'data']);
        assert.match(error.found ?? '', found);
        assert.match(error.found ?? '', /at byte 1024$/);
        return true;
      });
    });
  }

  test('sizes in binary are read up to what a number holds, and refused beyond', async () => {
    const binary = (value: bigint): Uint8Array => {
      const field = Buffer.alloc(12);
      field.writeBigUInt64BE(value, 4);
      field[0] = 0x80;
      return field;
    };
    assert.equal((await index(tarOf({ ...plain, size: binary(BigInt(json.length)) })))[0]?.size, json.length);
    for (const [size, code] of [
      [2n ** 53n - 1n, 'E_TAR_TRUNCATED'],
      [2n ** 53n, 'E_TAR'],
      [2n ** 63n, 'E_TAR'],
    ] as const) {
      await assert.rejects(index(tarOf({ ...plain, size: binary(size) })), { code, kind: 'data' }, String(size));
    }
  });

  test('zeros without end behind the last member are not read', async () => {
    await writeFile(path, sound);
    await truncate(path, 65 << 20);
    await assert.rejects(indexTar(path), { code: 'E_TAR', found: /bytes after the end mark at byte \d+/ });
  });

  test('any changed byte is refused as data, or leaves members that lie within the file', async () => {
    const random = randomStream(3);
    let refused = 0;
    for (const place of [...seededPlaces(sound.length, 4), ...seededPlaces(1024, 5), ...seededPlaces(4096, 6)]) {
      const bytes = Uint8Array.from(sound);
      bytes[place] = random.integer(place, 256);
      const found = await index(bytes).catch((error: unknown) => {
        assert.ok(error instanceof TristageError && error.kind === 'data' && error.code.startsWith('E_TAR'));
        refused++;
        return [];
      });
      for (const { offset, size } of found) assert.ok(offset % 512 === 0 && offset + size <= bytes.length);
    }
    assert.ok(refused > 50, String(refused));
  });
});

describe('hostile shards among sound ones', () => {
  const shards: readonly [what: string, bytes: Uint8Array, found: RegExp][] = [
    [
      'a path that leads outside',
      tarOf(plain, { name: '../b.json', content: json }),
      /"..\/b.json" at byte 1024: leads/,
    ],
    ['an absolute path', tarOf(plain, { name: '/b.json', content: json }), /"\/b.json" at byte 1024: absolute/],
    ['a link', tarOf(plain, { name: 'b.json', type: '2' }), /b.json, a symbolic link, at byte 1024/],
    ['a device', tarOf(plain, { name: 'b.json', type: '3' }), /b.json, a character device, at byte 1024/],
    ['a sparse file', tarOf(plain, { name: 'b.json', type: 'S' }), /b.json, a sparse file, at byte 1024/],
    ['a size beyond the file', tarOf(plain, { name: 'b.json', size: 9999 }), /b.json: 9999 bytes at 1536/],
    ['a wrong checksum', tarOf(plain, { ...plain, checksumOff: 1 }), /checksum.*at byte 1024/],
    ['members of a key apart', tarOf(plain, { name: 'b.json' }, { name: 'a.txt' }), /a in two places, at byte 2048/],
    ['an extension twice', tarOf(plain, plain), /a.json twice, at byte 1536/],
    ['no end', tarMember(plain), /ends at byte 1024/],
  ];

  test('each is left out as a whole and counted, with its name, the byte and the cause; the others are read', async () => {
    const root = temporaryFolder('tristage-hostile-');
    await writeFile(join(root, '000.tar'), tarOf(plain));
    for (const [place, [, bytes]] of shards.entries()) await writeFile(join(root, `1${place}.tar`), bytes);
    await writeFile(join(root, '999.tar'), tarOf(plain));
    const source = await webdataset.open({ root });
    assert.deepEqual(
      (await samplesOf(source)).map(({ id }) => id),
      ['000.tar/a', '999.tar/a'],
    );
    const [left] = source.leftOut ?? [];
    assert.deepEqual([left?.reason, left?.count], ['damaged tar', shards.length]);
    for (const [place, [what, , found]] of shards.entries()) {
      const example = left?.examples[place] ?? '';
      assert.ok(example.startsWith(`1${place}.tar: `), `${what}: ${example}`);
      assert.match(example, found, what);
    }
  });
});

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { sha256File } from '../../../lib/core/hash.ts';
import { indexTar, readTarMember } from '../../../lib/formats/tar.ts';
import { writeTar } from '../../../lib/formats/tar-writer.ts';
import { paxRecord, type RawMember, TAR_END, tarMember, tarOf } from './tar-blocks.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tristage-tar-'));
});
after(() => rm(folder, { recursive: true, force: true }));

async function index(bytes: Uint8Array) {
  const path = join(folder, 'made.tar');
  await writeFile(path, bytes);
  return indexTar(path);
}

async function contents(bytes: Uint8Array): Promise<Record<string, string>> {
  const members = await index(bytes);
  const path = join(folder, 'made.tar');
  const read = async (member: (typeof members)[number]) => Buffer.from(await readTarMember(path, member)).toString();
  return Object.fromEntries(await Promise.all(members.map(async (member) => [member.name, await read(member)])));
}

const LONG = `${'folder/'.repeat(60)}ünï.txt`;

describe('tar', () => {
  test('what the writer writes is read back by offset, long and foreign names included', async () => {
    const entries = [
      { name: 'a.txt', content: 'hello' },
      { name: 'empty.bin', content: new Uint8Array(0) },
      { name: LONG, content: new Uint8Array(70_000).fill(7) },
      { name: 'z.txt', content: 'last' },
    ];
    const path = join(folder, 'written.tar');
    await writeTar(path, entries);
    const members = await indexTar(path);
    assert.deepEqual(
      members.map(({ name, size }) => [name, size]),
      entries.map(({ name, content }) => [name, content.length]),
    );
    for (const [place, member] of members.entries()) {
      assert.deepEqual(Buffer.from(await readTarMember(path, member)), Buffer.from(entries[place]!.content as string));
    }
  });

  test('equal content gives equal bytes', async () => {
    const entries = [{ name: 'a.txt', content: 'hello' }];
    await writeTar(join(folder, 'one.tar'), entries);
    await writeTar(join(folder, 'two.tar'), entries);
    assert.deepEqual(await sha256File(join(folder, 'one.tar')), await sha256File(join(folder, 'two.tar')));
  });

  test('a writer whose entries fail leaves no file', async () => {
    async function* broken() {
      yield { name: 'a.txt', content: 'x' };
      throw new Error('the source broke');
    }
    const path = join(folder, 'never.tar');
    await assert.rejects(writeTar(path, broken()), /the source broke/);
    await assert.rejects(indexTar(path), { code: 'E_FILE_READ', kind: 'data' });
  });

  test('GNU long names, prefixes, PAX names and sizes, old checksums and folders are understood', async () => {
    const found = await contents(
      tarOf(
        { name: 'folder/', type: '5' },
        { name: './plain.txt', content: 'plain' },
        { name: 'leaf.txt', prefix: 'deep/down', content: 'prefix' },
        { name: 'gnu.txt', prefix: '12345', magic: 'ustar  \0', content: 'gnu' },
        { name: '././@LongLink', type: 'L', content: `${LONG}\0` },
        { name: LONG.slice(0, 99), content: 'long' },
        { name: 'pax', type: 'x', content: paxRecord('path', 'by/pax.txt') + paxRecord('size', '3') },
        { name: 'short.txt', content: 'pax', size: 0 },
        { name: 'signed-é.txt', content: 'signed', signedSum: true },
        { name: 'v7.txt', type: '\0', magic: '', content: 'v7' },
      ),
    );
    assert.deepEqual(found, {
      'plain.txt': 'plain',
      'deep/down/leaf.txt': 'prefix',
      'gnu.txt': 'gnu',
      [LONG]: 'long',
      'by/pax.txt': 'pax',
      'signed-é.txt': 'signed',
      'v7.txt': 'v7',
    });
  });

  test('archives of the system tar in three formats read alike', async (context) => {
    const source = await mkdtemp(join(folder, 'source-'));
    await writeFile(join(source, `${'n'.repeat(150)}.txt`), 'long');
    await writeFile(join(source, 'b.txt'), 'short');
    for (const format of ['gnu', 'pax', 'ustar']) {
      const path = join(folder, `${format}.tar`);
      const names = format === 'ustar' ? ['b.txt'] : ['b.txt', `${'n'.repeat(150)}.txt`];
      const made = spawnSync('tar', ['-C', source, `--format=${format}`, '-cf', path, ...names]);
      if (made.status !== 0) return context.skip('no GNU tar here');
      assert.deepEqual(
        (await indexTar(path)).map((member) => member.name),
        names,
        format,
      );
    }
  });

  test('an empty archive has no members', async () => assert.deepEqual(await index(TAR_END), []));
});

describe('hostile tars', () => {
  const plain: RawMember = { name: 'a.txt', content: 'x'.repeat(600) };
  const cases: readonly [what: string, code: string, bytes: Uint8Array, found: RegExp][] = [
    ['a path that climbs out', 'E_TAR_MEMBER', tarOf({ name: 'a/../../etc/passwd' }), /leads outside/],
    [
      'a path that climbs out by PAX',
      'E_TAR_MEMBER',
      tarOf({ name: 'x', type: 'x', content: paxRecord('path', '../a') }, plain),
      /leads outside/,
    ],
    [
      'a path that climbs out by GNU name',
      'E_TAR_MEMBER',
      tarOf({ name: 'x', type: 'L', content: '../../a\0' }, plain),
      /leads outside/,
    ],
    ['a backslash path that climbs out', 'E_TAR_MEMBER', tarOf({ name: '..\\a' }), /leads outside/],
    ['an absolute path', 'E_TAR_MEMBER', tarOf({ name: '/etc/passwd' }), /absolute/],
    ['an absolute path behind a dot', 'E_TAR_MEMBER', tarOf({ name: './/etc/passwd', prefix: '/' }), /absolute/],
    ['a drive letter', 'E_TAR_MEMBER', tarOf({ name: 'C:\\a.txt' }), /absolute/],
    ['an empty name', 'E_TAR_MEMBER', tarOf({ name: '', content: 'x' }), /empty/],
    ['a newline in a name', 'E_TAR_MEMBER', tarOf({ name: 'a\nb.txt' }), /control/],
    ['a hard link', 'E_TAR_MEMBER', tarOf({ name: 'a', type: '1' }), /hard link/],
    ['a symbolic link', 'E_TAR_MEMBER', tarOf({ name: 'a', type: '2' }), /symbolic link/],
    ['a character device', 'E_TAR_MEMBER', tarOf({ name: 'a', type: '3' }), /device/],
    ['a block device', 'E_TAR_MEMBER', tarOf({ name: 'a', type: '4' }), /device/],
    ['a pipe', 'E_TAR_MEMBER', tarOf({ name: 'a', type: '6' }), /pipe/],
    ['a sparse file', 'E_TAR_MEMBER', tarOf({ name: 'a', type: 'S' }), /sparse/],
    [
      'a PAX sparse file',
      'E_TAR',
      tarOf({ name: 'x', type: 'x', content: paxRecord('GNU.sparse.major', '1') }, plain),
      /sparse/,
    ],
    ['a size beyond the file', 'E_TAR_TRUNCATED', tarOf({ ...plain, size: 5000 }), /5000 bytes/],
    ['a size that hides the next header', 'E_TAR', tarOf({ ...plain, size: 5 }, plain), /checksum/],
    [
      'a PAX size beyond the file',
      'E_TAR_TRUNCATED',
      tarOf({ name: 'x', type: 'x', content: paxRecord('size', '99999999999') }, plain),
      /99999999999/,
    ],
    [
      'a negative PAX size',
      'E_TAR',
      tarOf({ name: 'x', type: 'x', content: paxRecord('size', '-1') }, plain),
      /PAX size/,
    ],
    ['a negative size', 'E_TAR', tarOf({ ...plain, size: new Uint8Array(12).fill(0xff) }), /negative/],
    [
      'a size above 2^53',
      'E_TAR',
      tarOf({ ...plain, size: new Uint8Array([0x80, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]) }),
      /2\^53/,
    ],
    ['a size that is no number', 'E_TAR', tarOf({ ...plain, size: '0000000zz00\0' }), /octal|size/],
    ['a wrong checksum', 'E_TAR', tarOf({ ...plain, checksumOff: 1 }), /checksum/],
    [
      'a giant extension header',
      'E_TAR',
      tarOf({ name: 'x', type: 'x', content: new Uint8Array(1_100_000) }),
      /header of/,
    ],
    [
      'a PAX record that runs over',
      'E_TAR',
      tarOf({ name: 'x', type: 'x', content: '99 path=a\n' }, plain),
      /PAX record/,
    ],
    [
      'an extension without a member',
      'E_TAR',
      tarOf({ name: 'x', type: 'x', content: paxRecord('path', 'a') }),
      /without its member/,
    ],
    ['no end mark', 'E_TAR_TRUNCATED', tarMember(plain), /ends at byte/],
    ['a content cut short', 'E_TAR_TRUNCATED', tarMember(plain).subarray(0, 700), /600 bytes/],
    [
      'a header cut short',
      'E_TAR_TRUNCATED',
      Buffer.concat([tarMember(plain), tarMember(plain).subarray(0, 100)]),
      /ends at byte/,
    ],
    ['an empty file', 'E_TAR_TRUNCATED', new Uint8Array(0), /ends at byte 0/],
    ['a second archive appended', 'E_TAR', Buffer.concat([tarOf(plain), tarOf(plain)]), /after the end mark/],
    ['something that is no tar', 'E_TAR', Buffer.from('PK\x03\x04'.padEnd(2048, 'x')), /checksum/],
  ];
  for (const [what, code, bytes, found] of cases) {
    test(`refuses ${what}`, async () => {
      await assert.rejects(index(bytes), (error: { code: string; kind: string; found: string }) => {
        assert.equal(error.code, code);
        assert.equal(error.kind, 'data');
        assert.match(error.found, found);
        return true;
      });
    });
  }

  test('every truncation of a sound archive is refused or lacks only padding', async () => {
    const whole = tarOf(plain, { name: 'b.txt', content: 'bb' });
    for (let length = 0; length < whole.length - 1024 + 512; length += 61) {
      await assert.rejects(index(whole.subarray(0, length)), { kind: 'data' }, `${length} bytes`);
    }
  });

  test('a name that is not UTF-8 is refused', async () => {
    const bytes = Buffer.from(tarOf({ name: 'a_.txt' }));
    bytes[1] = 0xff;
    const sum = 0xff - '_'.charCodeAt(0) + Number.parseInt(bytes.toString('latin1', 148, 154), 8);
    bytes.write(sum.toString(8).padStart(6, '0'), 148);
    await assert.rejects(index(bytes), { code: 'E_TAR', expected: 'UTF-8' });
  });
});

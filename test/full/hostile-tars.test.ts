/** Tars made to fill memory or disk: refused in bounds. Writes up to 2 GiB; run by `npm run test:full`. */
import assert from 'node:assert/strict';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { createGzip } from 'node:zlib';
import { indexTar } from '../../lib/formats/tar.ts';
import { plainTar } from '../../lib/formats/tar-gzip.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { tarMember } from '../unit/formats/tar-blocks.ts';

const MIB = 2 ** 20;

test('more members than any shard has are refused before they fill the memory', async () => {
  const path = join(temporaryFolder('tristage-hostile-'), 'many.tar');
  const headers = Buffer.concat(Array.from({ length: 10_000 }, () => tarMember({ name: 'a.txt' })));
  const file = await open(path, 'w');
  for (let piece = 0; piece <= 100; piece++) await file.write(headers);
  await file.close();
  await assert.rejects(indexTar(path), { code: 'E_TAR', kind: 'data', found: /more than 1000000 members/ });
  assert.ok(process.memoryUsage().rss < 1024 * MIB, `${process.memoryUsage().rss}`);
});

test('a compressed tar of zeros without end is refused, and nothing of it stays on the disk', async () => {
  const folder = temporaryFolder('tristage-hostile-');
  const path = join(folder, 'bomb.tar.gz');
  const zeros = Buffer.alloc(MIB);
  const file = await open(path, 'w');
  await pipeline(Readable.from(Array.from({ length: 1100 }, () => zeros)), createGzip(), file.createWriteStream());
  const before = process.env['TRISTAGE_CACHE_DIR'];
  process.env['TRISTAGE_CACHE_DIR'] = join(folder, 'cache');
  try {
    await assert.rejects(plainTar(path), { code: 'E_TAR', kind: 'data', expected: /at most 100 times/ });
    assert.deepEqual(await readdir(join(folder, 'cache/shards')), []);
  } finally {
    if (before === undefined) delete process.env['TRISTAGE_CACHE_DIR'];
    else process.env['TRISTAGE_CACHE_DIR'] = before;
  }
});

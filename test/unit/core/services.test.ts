import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { sha256, sha256File } from '../../../lib/core/hash.ts';
import { createLogger } from '../../../lib/core/log.ts';
import { cacheDir, packageRoot } from '../../../lib/core/paths.ts';

describe('paths', () => {
  it('find the folder of this package', () => {
    assert.ok(existsSync(join(packageRoot(), 'LICENSE')));
    assert.equal(JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')).name, 'tristage');
  });

  it('take the cache folder from the first variable that names one', () => {
    assert.equal(cacheDir({ TRISTAGE_CACHE_DIR: '/c', XDG_CACHE_HOME: '/x' }), '/c');
    assert.equal(cacheDir({ TRISTAGE_CACHE_DIR: '', XDG_CACHE_HOME: '/x' }), '/x/tristage');
    const home = join(homedir(), '.cache/tristage');
    assert.equal(cacheDir({}), home);
    assert.equal(cacheDir({ XDG_CACHE_HOME: 'relative' }), home);
  });
});

describe('hashes', () => {
  it('are SHA-256, equal for bytes in memory and in a file of several pieces', async () => {
    assert.equal(sha256('abc'), 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    const folder = await mkdtemp(join(tmpdir(), 'tristage-hash-'));
    const bytes = Uint8Array.from({ length: (5 << 20) / 2 + 3 }, (_, i) => i * 7);
    await writeFile(join(folder, 'x'), bytes);
    assert.deepEqual(await sha256File(join(folder, 'x')), { hash: sha256(bytes), bytes: bytes.byteLength });
    await rm(folder, { recursive: true });
  });
});

describe('the log', () => {
  it('drops lines below its level and paints the others', () => {
    const lines: string[] = [];
    const log = createLogger({
      level: 'warn',
      sink: (line) => lines.push(line),
      paint: (level, line) => `<${level}>${line}`,
    });
    log.debug('a');
    log.info('b');
    log.warn('c');
    log.error('d');
    assert.deepEqual(lines, ['<warn>warning: c', '<error>error: d']);
  });
});

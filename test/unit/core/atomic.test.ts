import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, mock } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  isTemporaryName,
  publishDirAtomic,
  removeDirAtomic,
  removeTemporaries,
  writeFileAtomic,
  writeStreamAtomic,
} from '../../../lib/core/atomic.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tristage-atomic-'));
});
after(() => rm(folder, { recursive: true }));

describe('atomic files', () => {
  it('replace the old content, create the folder and leave nothing else', async () => {
    const path = join(folder, 'a/b/file.txt');
    await writeFileAtomic(path, 'one');
    await writeFileAtomic(path, new TextEncoder().encode('two'));
    assert.equal(await readFile(path, 'utf8'), 'two');
    assert.deepEqual(await readdir(join(folder, 'a/b')), ['file.txt']);
  });

  it('keep the old content when writing the new one fails half way', async () => {
    const path = join(folder, 'half/file.txt');
    await writeFileAtomic(path, 'old');
    const failing = writeStreamAtomic(path, async (handle) => {
      await handle.writeFile('ne');
      throw new Error('half way');
    });
    await assert.rejects(failing, /half way/);
    assert.equal(await readFile(path, 'utf8'), 'old');
    assert.deepEqual(await readdir(join(folder, 'half')), ['file.txt']);
  });

  it('and their folder are synced, unless nobody asks for it', async () => {
    const handle = await open(import.meta.filename);
    await handle.close();
    const sync = mock.method(Object.getPrototypeOf(handle), 'sync');
    try {
      await writeFileAtomic(join(folder, 'synced/file.txt'), 'one');
      assert.equal(sync.mock.callCount(), 2);
      await writeFileAtomic(join(folder, 'synced/file.txt'), 'two', { durable: false });
      assert.equal(sync.mock.callCount(), 2);
    } finally {
      sync.mock.restore();
    }
    assert.equal(await readFile(join(folder, 'synced/file.txt'), 'utf8'), 'two');
    assert.deepEqual(await readdir(join(folder, 'synced')), ['file.txt']);
  });
});

describe('atomic folders', () => {
  it('appear with all their content, in place of an older one', async () => {
    const path = join(folder, 'dirs/x');
    await publishDirAtomic(path, async (temporary) => {
      await mkdir(join(temporary, 'deep'));
      await writeFile(join(temporary, 'deep/one'), '1');
    });
    await publishDirAtomic(path, (temporary) => writeFile(join(temporary, 'two'), '2'));
    assert.deepEqual(await readdir(path), ['two']);
    assert.deepEqual(await readdir(join(folder, 'dirs')), ['x']);
  });

  it('stay as they were when filling the new one fails', async () => {
    const path = join(folder, 'kept/x');
    await publishDirAtomic(path, (temporary) => writeFile(join(temporary, 'old'), ''));
    await assert.rejects(
      publishDirAtomic(path, () => Promise.reject(new Error('full'))),
      /full/,
    );
    assert.deepEqual(await readdir(path), ['old']);
    assert.deepEqual(await readdir(join(folder, 'kept')), ['x']);
  });

  it('go whole, also when they never were', async () => {
    const path = join(folder, 'gone/x');
    await publishDirAtomic(path, (temporary) => writeFile(join(temporary, 'f'), ''));
    await removeDirAtomic(path);
    await removeDirAtomic(path);
    assert.deepEqual(await readdir(join(folder, 'gone')), []);
  });

  it('are not there at all when the process is killed while filling them, and the rest is cleaned up later', async () => {
    const path = join(folder, 'killed/x');
    const source = fileURLToPath(new URL('../../../lib/core/atomic.ts', import.meta.url));
    const script = `
      const { publishDirAtomic } = await import(${JSON.stringify(source)});
      const { writeFile } = await import('node:fs/promises');
      await publishDirAtomic(${JSON.stringify(path)}, async (temporary) => {
        await writeFile(temporary + '/half', 'x');
        console.log('filling');
        await new Promise((resolve) => setTimeout(resolve, 60_000));
      });`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    const left = await readdir(join(folder, 'killed'));
    assert.equal(left.length, 1);
    assert.ok(isTemporaryName(left[0]!));
    assert.deepEqual(await removeTemporaries(join(folder, 'killed')), left);
    assert.deepEqual(await readdir(join(folder, 'killed')), []);
  });

  it('tell temporary names from others', () => {
    assert.equal(isTemporaryName('.tmp-0123456789ab-step-3'), true);
    for (const name of ['step-3', '.tmp-', 'tmp-0123456789ab-x', '.tmp-0123456789aX-x'])
      assert.equal(isTemporaryName(name), false);
  });
});

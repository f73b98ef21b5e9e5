/** The programs that a set-up needs: found where they are, named with their cure where they are not. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, describe, test } from 'node:test';
import { TristageError } from '../../../lib/core/errors.ts';
import { everyPython, findCompiler, requireCompiler, runCommand } from '../../../lib/engine/toolchain.ts';

const root = mkdtempSync(join(tmpdir(), 'tristage-tools-'));
after(() => rmSync(root, { recursive: true, force: true }));
const { PATH, CXX } = process.env;
afterEach(() => {
  process.env['PATH'] = PATH;
  if (CXX === undefined) delete process.env['CXX'];
  else process.env['CXX'] = CXX;
});

/** A folder with an executable script. */
function withProgram(folder: string, name: string, script: string): string {
  const dir = join(root, folder);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return dir;
}

describe('toolchain', () => {
  test('a program is run to its end, with its status and both streams', async () => {
    const result = await runCommand('sh', ['-c', 'echo out; echo err >&2; exit 3']);
    assert.deepEqual(result, { status: 3, stdout: 'out\n', stderr: 'err\n' });
  });

  test('a program that does not exist gives no status and says so', async () => {
    const result = await runCommand(join(root, 'absent'), []);
    assert.equal(result.status, null);
    assert.match(result.stderr, /ENOENT/);
  });

  test('every python3 on PATH is found, one that is reached by two names once', () => {
    const first = withProgram('a', 'python3', 'exit 0');
    const second = withProgram('b', 'python3', 'exit 0');
    const alias = join(root, 'alias');
    symlinkSync(first, alias);
    process.env['PATH'] = [first, alias, second].join(':');
    const found = everyPython().filter((path) => path.startsWith(root));
    assert.deepEqual(found, [join(first, 'python3'), join(second, 'python3')]);
  });

  test('CXX names the compiler', async () => {
    const dir = withProgram('c', 'my-compiler', 'echo my compiler 9.9; echo second line');
    process.env['CXX'] = join(dir, 'my-compiler');
    assert.deepEqual(await findCompiler(), { path: join(dir, 'my-compiler'), version: 'my compiler 9.9' });
  });

  test('no compiler is E_COMPILER with the command that installs one', async () => {
    for (const setting of ['/no/such/compiler', '']) {
      process.env['CXX'] = setting;
      process.env['PATH'] = join(root, 'empty');
      await assert.rejects(requireCompiler(), (error) => {
        assert.ok(error instanceof TristageError && error.code === 'E_COMPILER');
        assert.match(error.fix ?? '', /apt-get install g\+\+/);
        return true;
      });
    }
  });
});

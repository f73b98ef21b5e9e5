/** The unpacked archive on this machine's processor, with the addon that was compiled for it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { everyPython } from '../../lib/engine/toolchain.ts';
import { readyTorch } from '../../lib/engine/torch/setup.ts';
import { openOrReason } from '../conformance/torch/support.ts';
import { assemble } from './assemble.ts';

const skip = await openOrReason();
const root = await mkdtemp(join(tmpdir(), 'tristage-gpu-'));
after(() => rm(root, { recursive: true }));

interface Report {
  device: string;
  host: { pytorch?: string };
  parts: { name: string; status: string; reason?: string; records: { name: string; ok: boolean; loss?: number }[] }[];
}

async function run(libDir: string, python: string): Promise<Report> {
  const output = join(root, 'results.json');
  const { stderr } = spawnSync(
    join(root, 'run.sh'),
    ['--device', 'cpu', '--tiny', '--torch-lib', libDir, '--output', output],
    {
      env: { ...process.env, PYTHON: python },
      encoding: 'utf8',
    },
  );
  return JSON.parse(await readFile(output, 'utf8').catch(() => assert.fail(stderr))) as Report;
}

/** A Python with PyTorch where there is one. */
function pythonWithTorch(): string {
  const pythons = everyPython();
  const has = (python: string) => spawnSync(python, ['-c', 'import torch']).status === 0;
  return pythons.find(has) ?? pythons[0] ?? 'python3';
}

test('every part runs on the processor and passes; what needs a PyTorch that is missing fails alone', {
  skip,
}, async () => {
  const { install, addonPath } = await readyTorch();
  await assemble({ folder: root, addon: dirname(addonPath), launcher: root });
  await symlink(process.execPath, join(root, 'node'));
  const report = await run(install.libDir, pythonWithTorch());
  assert.equal(report.device, 'cpu');
  const hasTorch = report.host.pytorch !== undefined;
  for (const { name, status, reason, records } of report.parts) {
    if (name.startsWith('pytorch') && !hasTorch) {
      assert.equal(status, 'failed');
      assert.match(reason ?? '', /No module named 'torch'/);
    } else {
      assert.equal(status, 'passed', `${name}: ${reason} ${JSON.stringify(records.filter(({ ok }) => !ok))}`);
    }
  }
  const counts = new Map(report.parts.map(({ name, records }) => [name, records.length - 1]));
  assert.ok(counts.get('kernels')! > 50 && counts.get('fused')! > 20 && counts.get('parity')! > 100, `${[...counts]}`);
  for (const name of ['kernels', 'fused', 'parity']) assert.ok(counts.get(`${name} bf16`)! > 20, `${[...counts]}`);
  for (const name of ['step tiny-full recompute', 'step tiny-full bf16 recompute']) assert.equal(counts.get(name), 2);
  const losses = report.parts.filter(({ name }) => name.startsWith('step ')).flatMap(({ records }) => records.slice(1));
  // Random weights know nothing: the loss is the logarithm of the vocabulary.
  for (const { loss } of losses) assert.ok(Math.abs(loss! - Math.log(32000)) < 0.5, `${loss}`);
});

/**
 * Torch files of ours, read by PyTorch. Every python3 of the machine is asked for torch, after the one that TRISTAGE_TEST_PYTHON names,
 * as for a newer version:
 *   python3 -m venv VENV && VENV/bin/pip install torch
 *   TRISTAGE_TEST_PYTHON=VENV/bin/python node --import tsx --test test/interop/torch.test.ts
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { sha256 } from '../../lib/core/hash.ts';
import { everyPython, runCommand } from '../../lib/engine/toolchain.ts';
import { exportModel } from '../../lib/export/export.ts';
import { minigptv2 } from '../../lib/export/minigptv2.ts';
import { DTYPE_BYTES, type HostDtype, type HostTensor } from '../../lib/formats/host-tensor.ts';
import { writeTorchFile } from '../../lib/formats/torch-zip-writer.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { tinyExport } from '../unit/export/tiny-export.ts';

const READER = join(import.meta.dirname, 'read_torch.py');

const HAS_TORCH = "import torch, inspect; assert 'weights_only' in inspect.signature(torch.load).parameters";

async function findTorch(): Promise<string | undefined> {
  const own = process.env['TRISTAGE_TEST_PYTHON'];
  for (const python of [...(own === undefined ? [] : [own]), ...everyPython()]) {
    const { status } = await runCommand(python, ['-c', HAS_TORCH]);
    if (status === 0) return python;
  }
  return undefined;
}

const python = await findTorch();
const skip = python === undefined ? 'no python3 here has torch 1.13 or later' : false;
const folder = temporaryFolder('tristage-interop-torch-');

async function asked(...args: string[]): Promise<never> {
  const { status, stdout, stderr } = await runCommand(python as string, [READER, ...args]);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as never;
}

const TORCH_NAMES: Readonly<Partial<Record<HostDtype, string>>> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
  I64: 'int64',
  I32: 'int32',
  I16: 'int16',
  I8: 'int8',
  U8: 'uint8',
  BOOL: 'bool',
};

describe('PyTorch with weights_only', { skip }, () => {
  it('reads every dtype, scalars and empty tensors, nested dicts and other values', async () => {
    const path = join(folder, 'all.pth');
    const tensors = new Map<string, HostTensor>();
    for (const [place, dtype] of (Object.keys(TORCH_NAMES) as HostDtype[]).entries()) {
      const bytes = Uint8Array.from({ length: 6 * DTYPE_BYTES[dtype] }, (_, i) =>
        dtype === 'BOOL' ? i % 2 : i + place,
      );
      tensors.set(dtype, { dtype, shape: [2, 3], bytes });
    }
    tensors.set('scalar', { dtype: 'F32', shape: [], bytes: Uint8Array.of(1, 2, 3, 4) });
    tensors.set('empty', { dtype: 'F32', shape: [3, 0], bytes: new Uint8Array(0) });
    const sources = new Map([...tensors].map(([name, tensor]) => [name, { ...tensor, read: () => tensor }]));
    await writeTorchFile(path, new Map([['model', sources]]));
    const found = await asked(path);
    const expected = [...tensors].map(([name, { dtype, shape, bytes }]) => [
      `model|${name}`,
      [`torch.${TORCH_NAMES[dtype]}`, shape, sha256(bytes)],
    ]);
    assert.deepEqual(found[path], Object.fromEntries(expected));
  });

  for (const loraKeys of ['plain', 'default'] as const) {
    it(`loads the ${loraKeys} spelling of an export into modules named as MiniGPT-v2's, and nothing is left over`, async () => {
      const out = join(folder, loraKeys);
      const { subject, ...rest } = tinyExport();
      const values = new Map<string, string>();
      for (const [name, source] of subject.weights) values.set(name, sha256((await source.read()).bytes));
      await exportModel({ ...rest, subject, format: minigptv2, options: { loraKeys }, out });
      const { unexpected, loaded } = (await asked('--minigptv2', loraKeys, out)) as {
        unexpected: string[];
        loaded: Record<string, string>;
      };
      assert.deepEqual(unexpected, []);
      const inMemory = (key: string): string =>
        key.replace('llama_model.base_model.model.', 'llama_model.').replace('.default.weight', '.weight');
      const found = new Map(Object.entries(loaded).map(([key, hash]) => [inMemory(key), hash]));
      const wanted = [...values].filter(([name]) => /lora_|^llama_proj|^ln_vision/.test(name));
      assert.equal(wanted.length, 8 + 2 + 2);
      assert.deepEqual(found, new Map(wanted));
    });
  }

  it('finds no place for the adapters of the other spelling', async () => {
    const out = join(folder, 'other');
    await exportModel({ ...tinyExport(), format: minigptv2, options: { loraKeys: 'default' }, out });
    const { unexpected } = (await asked('--minigptv2', 'plain', out)) as { unexpected: string[] };
    assert.equal(unexpected.length, 8);
  });
});

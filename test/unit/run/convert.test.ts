import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { readWeights } from '../../../lib/checkpoint/import.ts';
import { publishedLlama } from '../../../lib/checkpoint/llama-settings.ts';
import { openWeights } from '../../../lib/checkpoint/weights-file.ts';
import { fromFloat32, toFloat32 } from '../../../lib/formats/host-tensor.ts';
import { readSafetensors, writeSafetensors } from '../../../lib/formats/safetensors.ts';
import { llamaShapes } from '../../../lib/model/shapes.ts';
import { convertWeights } from '../../../lib/run/convert.ts';
import { runVerify } from '../../../lib/run/verify.ts';
import { renderWeights } from '../../../lib/run/verify-weights.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const folder = temporaryFolder('tristage-convert-');
const GGUF = join(import.meta.dirname, '../../parity/fixtures/gguf/tied.gguf');
const CHECKPOINT = join(import.meta.dirname, '../../parity/fixtures/minigptv2-step/checkpoint_1.pth');

const warnings: string[] = [];
const silent = () => undefined;
const logger = { debug: silent, info: silent, warn: (line: string) => void warnings.push(line), error: silent };

describe('converting weights', () => {
  it('brings a GGUF file to Hugging Face’s names and row order, in both containers, with the same values', async () => {
    const settings = (await publishedLlama(GGUF))?.settings;
    assert.ok(settings);
    const expected = llamaShapes(settings);
    const wanted = (await readWeights({ path: GGUF, expected })).tensors;
    for (const name of ['model.safetensors', 'model.pth']) {
      const out = join(folder, name);
      const converted = await convertWeights({ path: GGUF, out, logger });
      assert.equal(converted.renamed, expected.size);
      const { tensors, report } = await readWeights({ path: out, expected });
      assert.equal(report.layout, 'llama');
      for (const [key, tensor] of wanted) assert.deepEqual(toFloat32(tensors.get(key)!), toFloat32(tensor), key);
    }
  });

  it('keeps names, whole numbers and, without a dtype, every byte', async () => {
    const out = join(folder, 'reference.safetensors');
    const { others } = await convertWeights({ path: CHECKPOINT, out, logger });
    assert.deepEqual(others, []);
    const [from, to] = [await openWeights(CHECKPOINT), await openWeights(out)];
    assert.deepEqual([...to.entries.keys()].sort(), [...from.entries.keys()].sort());
    for (const key of from.entries.keys()) assert.deepEqual(await to.read(key), await from.read(key));
    await from.close();
    await to.close();
    const mixed = join(folder, 'mixed.safetensors');
    const ids = { dtype: 'I64' as const, shape: [1], bytes: new Uint8Array(8).fill(3) };
    await writeSafetensors(
      mixed,
      new Map([
        ['ids', ids],
        ['w', fromFloat32(Float32Array.of(1.001, -2), [2])],
      ]),
    );
    const half = join(folder, 'half.safetensors');
    const { cast } = await convertWeights({ path: mixed, out: half, dtype: 'BF16', logger });
    assert.equal(cast, 1);
    const read = await readSafetensors(half);
    assert.deepEqual(read.get('ids'), ids);
    assert.deepEqual([read.get('w')?.dtype, [...toFloat32(read.get('w')!)]], ['BF16', [1, -2]]);
  });

  it('refuses a place that is taken and containers that are not written, and leaves nothing behind when it fails', async () => {
    await writeFile(join(folder, 'taken.pth'), 'x');
    for (const out of ['taken.pth', 'model.gguf', 'model']) {
      await assert.rejects(convertWeights({ path: GGUF, out: join(folder, out), logger }), { code: 'E_CONVERT' });
    }
    const narrow = join(folder, 'narrow.safetensors');
    await writeSafetensors(narrow, new Map([['u', { dtype: 'U16', shape: [1], bytes: Uint8Array.of(1, 0) }]]));
    const out = join(folder, 'never.pth');
    await assert.rejects(convertWeights({ path: narrow, out, logger }), { code: 'E_TORCH_FILE' });
    assert.ok(!existsSync(out));
  });
});

describe('verifying weights', () => {
  it('tells name, shape, dtype and hash of every tensor, and the settings of a language model', async () => {
    const result = await runVerify({ path: GGUF, logger });
    assert.ok(result.kind === 'weights');
    assert.deepEqual([result.layout, result.tensors.length, result.notFinite], ['gguf', 20, 0]);
    const text = renderWeights(result);
    assert.match(text, /blk\.0\.attn_k\.weight +Q4_0, read as F32 \[16, 32\] {2}[0-9a-f]{16}\n/);
    assert.match(text, /"kvHeads":2/);
    assert.match(text, /20 tensors.*names of gguf\nevery value is finite$/);
  });

  it('finds values that are not finite in every float dtype, and takes large float64 for what they are', async () => {
    const path = join(folder, 'bad', 'model.safetensors');
    await mkdir(join(folder, 'bad'));
    await writeSafetensors(
      path,
      new Map([
        ['f32', fromFloat32(Float32Array.of(1, Number.NaN, Number.POSITIVE_INFINITY), [3])],
        ['f16', { dtype: 'F16', shape: [2], bytes: new Uint8Array(Uint16Array.of(0x7c00, 0x3c00).buffer) }],
        ['bf16', { dtype: 'BF16', shape: [2], bytes: new Uint8Array(Uint16Array.of(0x7fc0, 0x3f80).buffer) }],
        ['f64', { dtype: 'F64', shape: [2], bytes: new Uint8Array(Float64Array.of(1e300, Number.NaN).buffer) }],
        ['f8', { dtype: 'F8_E4M3', shape: [2], bytes: Uint8Array.of(0x7f, 0x7e) }],
        ['good', fromFloat32(Float32Array.of(1), [1])],
      ]),
    );
    const result = await runVerify({ path: join(folder, 'bad'), logger });
    assert.ok(result.kind === 'weights');
    assert.deepEqual(Object.fromEntries(result.tensors.map(({ name, notFinite }) => [name, notFinite])), {
      ...{ f32: 2, f16: 1, bf16: 1, f64: 1, f8: 1, good: 0 },
    });
    assert.equal(result.layout, null);
    assert.match(renderWeights(result), /f32 .*2 VALUES NOT FINITE[\s\S]*5 tensors hold values that are not finite$/);
  });

  it('refuses what is neither an export nor weights', async () => {
    const empty = join(folder, 'empty');
    await mkdir(empty);
    for (const path of [empty, join(folder, 'nowhere')]) {
      await assert.rejects(runVerify({ path, logger }), { code: 'E_VERIFY' });
    }
  });
});

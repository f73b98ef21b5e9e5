import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { TristageError } from '../../../lib/core/errors.ts';
import { openGguf } from '../../../lib/formats/gguf.ts';
import { toFloat32 } from '../../../lib/formats/host-tensor.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { ggufBytes, type MadeGguf, type MadeTensor, soundGguf } from './gguf-bytes.ts';

const folder = temporaryFolder('tristage-gguf-');
const FIXTURE = join(import.meta.dirname, '../../parity/fixtures/gguf/untied.gguf');

async function fileOf(bytes: Uint8Array): Promise<string> {
  const path = join(folder, 'made.gguf');
  await writeFile(path, bytes);
  return path;
}

async function refused(made: MadeGguf | Uint8Array, pattern: RegExp): Promise<void> {
  const path = await fileOf(made instanceof Uint8Array ? made : ggufBytes(made).bytes);
  await assert.rejects(openGguf(path), (error: unknown) => {
    assert.ok(error instanceof TristageError, String(error));
    assert.equal(error.code, 'E_GGUF');
    assert.equal(error.where, path);
    assert.match(`${error.message} ${error.found} ${error.expected}`, pattern);
    return true;
  });
}

/** The sound file with one tensor changed. */
const withTensor = (place: number, change: Partial<MadeTensor>): MadeGguf => {
  const { tensors = [], ...rest } = soundGguf();
  return { ...rest, tensors: tensors.map((tensor, i) => (i === place ? { ...tensor, ...change } : tensor)) };
};

const withEntry = (key: string | Uint8Array, value: { type: number; bytes: Uint8Array }): MadeGguf => {
  const sound = soundGguf();
  return { ...sound, entries: [...(sound.entries ?? []), [key, value]] };
};

const bytesOf = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe('GGUF', () => {
  it('gives metadata, shapes and widened values', async () => {
    const file = await openGguf(await fileOf(ggufBytes(soundGguf()).bytes));
    try {
      assert.equal(file.version, 3);
      assert.deepEqual(file.metadata.get('tokenizer.ggml.tokens'), ['a', 'b', '</s>']);
      assert.deepEqual(file.tensors.get('token_embd.weight')?.shape, [1, 32]);
      const tensor = await file.read('blk.0.attn_v.weight');
      assert.deepEqual([tensor.dtype, tensor.shape], ['F32', [1, 32]]);
      // Scale 0x0101 as binary16 is 257 * 2^-24; every quant is 1
      assert.deepEqual(toFloat32(tensor), new Float32Array(32).fill(257 * 2 ** -24));
      await assert.rejects(file.read('nothing'), { code: 'E_GGUF' });
    } finally {
      await file.close();
    }
  });

  it('reads every type of metadata value that the format has, 64-bit integers exactly', async () => {
    const file = await openGguf(FIXTURE);
    await file.close();
    const sample = (type: string) => file.metadata.get(`sample.${type}`);
    assert.deepEqual(
      ['uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'float32', 'float64', 'bool', 'string'].map(sample),
      [200, -100, 60000, -30000, 4e9, -2e9, 0.5, 0.1, true, 'Grüße'],
    );
    assert.deepEqual([sample('uint64'), sample('int64')], [2n ** 63n, -(2n ** 62n)]);
    assert.deepEqual(sample('array'), [1.5, -2.5]);
    assert.equal(file.metadata.get('general.alignment'), 64);
  });

  it('refuses a wrong field, and says which', async () => {
    const sound = soundGguf();
    const infinite = bytesOf(255, 255, 255, 255, 255, 255, 255, 255);
    const list = (type: number, length: Uint8Array, ...rest: number[]) => ({
      type: 9,
      bytes: bytesOf(type, 0, 0, 0, ...length, ...rest),
    });
    const cases: [MadeGguf, RegExp][] = [
      [{ ...sound, magic: 'GGML' }, /magic/],
      [{ ...sound, version: 1 }, /version 1/],
      [{ ...sound, version: 4 }, /version 4/],
      [{ ...sound, version: 0x03000000 }, /big-endian/],
      [{ ...sound, tensorCount: 2n ** 63n }, /number of tensors/],
      [{ ...sound, tensorCount: 4 }, /ends too early|not possible|is not text/],
      [{ ...sound, tensorCount: 2 }, /do not fit|hole/],
      [{ ...sound, entryCount: 2n ** 40n }, /metadata entries/],
      [{ ...sound, entryCount: 2 }, /tensor|type|text|value|early/],
      [withEntry('general.architecture', { type: 0, bytes: bytesOf(1) }), /occurs twice/],
      [withEntry(bytesOf(0xff, 0xfe), { type: 0, bytes: bytesOf(1) }), /UTF-8/],
      [withEntry('x', { type: 13, bytes: bytesOf(1) }), /type 13/],
      [withEntry('x', { type: 7, bytes: bytesOf(2) }), /truth value/],
      [withEntry('x', { type: 8, bytes: infinite }), /length of a text/],
      [withEntry('x', list(0, infinite)), /length of a list/],
      [withEntry('x', list(0, bytesOf(0, 0, 32, 0, 0, 0, 0, 0))), /ends too early/],
      [
        withEntry(
          'x',
          list(9, bytesOf(1, 0, 0, 0, 0, 0, 0, 0), ...Array(5).fill([9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]).flat()),
        ),
        /nested/,
      ],
      [withEntry('general.alignment', { type: 4, bytes: bytesOf(0, 0, 0, 0) }), /alignment/],
      [withEntry('general.alignment', { type: 4, bytes: bytesOf(24, 0, 0, 0) }), /alignment/],
      [withEntry('general.alignment', { type: 8, bytes: bytesOf(1, 0, 0, 0, 0, 0, 0, 0, 65) }), /alignment/],
      [withTensor(1, { name: 'token_embd.weight' }), /occurs twice/],
      [withTensor(1, { axes: [1, 1, 1, 1, 32] }), /5 axes/],
      [withTensor(1, { axes: [2n ** 60n] }), /an axis/],
      [withTensor(1, { axes: [2 ** 40, 2 ** 40] }), /2\^53/],
      [withTensor(1, { axes: [33] }), /overlap|hole|fit/],
      [withTensor(1, { type: 12 }), /Q4_K/],
      [withTensor(1, { type: 4 }), /type 4/],
      [withTensor(2, { axes: [31, 1] }), /whole blocks of 32/],
      [withTensor(1, { offset: 120 }), /overlap/],
      [withTensor(1, { offset: 0 }), /overlap/],
      [withTensor(2, { offset: 2n ** 62n }), /offset/],
      [withTensor(2, { offset: 512 }), /hole/],
      [{ ...sound, data: new Uint8Array(256 + 33) }, /data do not fit/],
      [{ ...sound, data: new Uint8Array(256 + 34 + 64) }, /data do not fit/],
    ];
    for (const [made, pattern] of cases) await refused(made, pattern);
  });

  it('refuses a file that ends at any boundary of its head', async () => {
    const { bytes, boundaries } = ggufBytes(soundGguf());
    for (const end of boundaries) await refused(bytes.subarray(0, end), /early|not possible|do not fit/);
  });

  it('takes a file without tensors, with padding behind the last, and tensors without values', async () => {
    for (const made of [
      { entries: soundGguf().entries ?? [] },
      { ...soundGguf(), data: new Uint8Array(256 + 64) },
      { tensors: [{ name: 'none', axes: [0], type: 0, offset: 0 }] },
    ]) {
      const file = await openGguf(await fileOf(ggufBytes(made).bytes));
      await file.close();
      for (const name of file.tensors.keys()) assert.ok(file.tensors.get(name));
    }
  });
});

import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TristageError } from '../../../lib/core/errors.ts';
import { randomStream } from '../../../lib/core/rng.ts';
import { fromFloat32, fromInt32, type HostTensor, toFloat32 } from '../../../lib/formats/host-tensor.ts';
import { openSafetensors, readSafetensors, writeSafetensors } from '../../../lib/formats/safetensors.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tristage-safetensors-'));
});
after(() => rm(folder, { recursive: true }));

const sample = (): Map<string, HostTensor> =>
  new Map<string, HostTensor>([
    ['b.weight', fromFloat32(Float32Array.of(1, -2, 3.5, 4, 5, 6), [2, 3])],
    ['a.mask', { dtype: 'BOOL', shape: [3], bytes: Uint8Array.of(1, 0, 1) }],
    ['ids', fromInt32(Int32Array.of(7, -8), [2])],
    ['scalar', fromFloat32(Float32Array.of(0.25), [])],
    ['empty', fromFloat32(new Float32Array(0), [0, 4])],
    ['half', { dtype: 'F16', shape: [1], bytes: Uint8Array.of(0, 0x3c) }],
  ]);

/** A file of this header text, with `data` zero bytes behind it. */
async function fileOf(header: string | Uint8Array, data: number, length?: bigint): Promise<string> {
  const bytes = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const whole = new Uint8Array(8 + bytes.byteLength + data);
  new DataView(whole.buffer).setBigUint64(0, length ?? BigInt(bytes.byteLength), true);
  whole.set(bytes, 8);
  const path = join(folder, 'crafted.safetensors');
  await writeFile(path, whole);
  return path;
}

async function refused(path: string, pattern: RegExp): Promise<void> {
  await assert.rejects(openSafetensors(path), (error: unknown) => {
    assert.ok(error instanceof TristageError, String(error));
    assert.equal(error.kind, 'checkpoint');
    assert.match(error.code, /^E_(SAFETENSORS|FILE_READ)$/);
    assert.equal(error.where, path);
    assert.ok(error.found !== undefined && error.expected !== undefined);
    assert.match(`${error.message} ${error.found} ${error.expected}`, pattern);
    return true;
  });
}

describe('safetensors', () => {
  it('gives back every tensor, shape and metadata text that was written', async () => {
    const path = join(folder, 'round.safetensors');
    await writeSafetensors(path, sample(), { format: 'pt', 10: 'ten', 9: 'nine' });
    const file = await openSafetensors(path);
    try {
      assert.deepEqual([...file.metadata].sort(), [
        ['10', 'ten'],
        ['9', 'nine'],
        ['format', 'pt'],
      ]);
      for (const [name, tensor] of sample()) assert.deepEqual(await file.read(name), tensor);
      assert.equal(file.tensors.size, sample().size);
      await assert.rejects(file.read('nothing'), { code: 'E_SAFETENSORS' });
    } finally {
      await file.close();
    }
  });

  it('writes the same bytes for any order of the map, each tensor aligned to its elements', async () => {
    const [one, two] = [join(folder, 'one'), join(folder, 'two')];
    await writeSafetensors(one, sample(), { b: '1', a: '2' });
    await writeSafetensors(two, new Map([...sample()].reverse()), { a: '2', b: '1' });
    assert.deepEqual(await readFile(one), await readFile(two));
    const file = await openSafetensors(one);
    await file.close();
    for (const info of file.tensors.values()) {
      if (info.dtype === 'F32' || info.dtype === 'I32') assert.equal(info.position % 4, 0);
    }
  });

  it('reads a file that the original library wrote', async () => {
    const path = new URL('../../parity/fixtures/lora/adapter/adapter_model.safetensors', import.meta.url).pathname;
    const tensors = await readSafetensors(path);
    assert.equal(tensors.size, 12);
    const a = tensors.get('base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight');
    assert.deepEqual(a?.shape, [4, 64]);
    assert.ok(toFloat32(a!).every((value) => Number.isFinite(value) && Math.abs(value) < 10));
  });

  const good = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
  const wrongFields: [string, unknown, RegExp][] = [
    ['an unknown dtype', { ...good, dtype: 'F33' }, /dtype "F33"/],
    ['values of four bits', { ...good, dtype: 'F4' }, /dtype "F4"/],
    ['complex numbers', { ...good, dtype: 'C64', shape: [1] }, /dtype "C64"/],
    ['a dtype that is a name of Object', { ...good, dtype: 'constructor' }, /constructor/],
    ['a dtype that is not a text', { ...good, dtype: 5 }, /dtype 5/],
    ['no dtype', { shape: [2], data_offsets: [0, 8] }, /dtype/],
    ['a negative dimension', { ...good, shape: [-2] }, /shape \[-2\]/],
    ['a nested shape', { ...good, shape: [[2]] }, /shape/],
    ['a shape that is no list', { ...good, shape: 2 }, /shape 2/],
    ['a shape that does not fit the bytes', { ...good, shape: [3] }, /12 bytes for F32 \[3\]/],
    ['a shape whose product leaves 2^53', { ...good, shape: [2 ** 30, 2 ** 30] }, /product/],
    ['a product that leaves 2^53 before a zero', { ...good, shape: [2 ** 30, 2 ** 30, 0] }, /product/],
    ['offsets in reverse', { ...good, data_offsets: [8, 0] }, /begin <= end/],
    ['offsets beyond the file', { ...good, shape: [4], data_offsets: [0, 16] }, /<= 8/],
    ['three offsets', { ...good, data_offsets: [0, 4, 8] }, /begin, end/],
    ['a field that the format does not know', { ...good, stride: [1] }, /stride/],
    ['a tensor that is no object', 7, /an object with dtype/],
  ];
  for (const [what, entry, pattern] of wrongFields) {
    it(`refuses ${what}`, async () => refused(await fileOf(JSON.stringify({ x: entry }), 8), pattern));
  }

  const x = JSON.stringify(good);
  const wrongTexts: [string, string | Uint8Array, RegExp][] = [
    ['a duplicate tensor', `{"x":${x},"x":${x}}`, /second key \\?"x/],
    ['a duplicate field', '{"x":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}', /second key/],
    ['a duplicate spelled with an escape', `{"x":${x},"\\u0078":${x}}`, /second key/],
    ['a key __proto__', `{"__proto__":${x}}`, /__proto__/],
    ['an integer beyond 2^53', '{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,9007199254740993]}}', /2\^53/],
    ['a fraction', '{"x":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}', /whole number/],
    ['an exponent', '{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8e0]}}', /whole number/],
    ['a list as header', '[]', /JSON object/],
    ['an empty header', '', /JSON value/],
    ['white space before the object', ` {"x":${x}}`, /first byte/],
    ['text after the object', `{"x":${x}}x`, /nothing after/],
    ['an unclosed object', `{"x":${x}`, /',' or '}'/],
    ['an unclosed text', '{"x', /end of a string/],
    ['a control character in a text', '{"x\n":1}', /control/],
    ['a wrong escape', '{"\\x":1}', /escape/],
    ['a comma at the end', `{"x":${x},}`, /key in quotes/],
    ['deep nesting', '['.repeat(100_000), /nesting/],
    ['bytes that are not UTF-8', Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d), /UTF-8/],
    ['a byte order mark', new TextEncoder().encode(`\ufeff{"x":${x}}`), /JSON/],
    ['metadata that is no object', `{"__metadata__":3,"x":${x}}`, /__metadata__/],
    ['metadata of numbers', `{"__metadata__":{"a":3},"x":${x}}`, /__metadata__/],
    ['bytes after the last tensor', '{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', /goes on/],
    ['a hole', '{"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}', /hole/],
    [
      'an overlap',
      '{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"y":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
      /overlap/,
    ],
  ];
  for (const [what, header, pattern] of wrongTexts) {
    it(`refuses ${what}`, async () => refused(await fileOf(header, 8), pattern));
  }

  it('refuses header lengths that the file cannot hold, before it allocates them', async () => {
    for (const length of [1n, 1000n, 100_000_001n, 1n << 53n, (1n << 64n) - 1n]) {
      await refused(await fileOf(`{"x":${x}}`, 8, length), /header|JSON|end of a string/);
    }
  });

  it('refuses a file cut at any structural boundary or at seeded places', async () => {
    const path = join(folder, 'cut-source');
    await writeSafetensors(path, sample(), { format: 'pt' });
    const whole = await readFile(path);
    const headerEnd = 8 + Number(whole.readBigUInt64LE(0));
    const random = randomStream(11);
    const seeded = Array.from({ length: 50 }, (_, i) => random.integer(i, whole.byteLength));
    for (const length of [0, 1, 7, 8, 9, headerEnd - 1, headerEnd, headerEnd + 1, whole.byteLength - 1, ...seeded]) {
      const cut = join(folder, 'cut');
      await writeFile(cut, whole.subarray(0, length));
      await refused(cut, /./);
    }
  });

  it('answers a flipped byte in the header with a coded error or with a file of the same extent', async () => {
    const path = join(folder, 'flip-source');
    await writeSafetensors(path, sample());
    const whole = await readFile(path);
    const headerEnd = 8 + Number(whole.readBigUInt64LE(0));
    const random = randomStream(12);
    for (let i = 0; i < 200; i++) {
      const bytes = Buffer.from(whole);
      bytes[random.integer(2 * i, headerEnd)] = random.integer(2 * i + 1, 256);
      const flipped = join(folder, 'flipped');
      await writeFile(flipped, bytes);
      try {
        const tensors = await readSafetensors(flipped);
        assert.equal(
          [...tensors.values()].reduce((sum, t) => sum + t.bytes.byteLength, 0),
          whole.byteLength - headerEnd,
        );
      } catch (error) {
        assert.ok(error instanceof TristageError, String(error));
      }
    }
  });

  it('names the file when it is absent or a folder', async () => {
    await refused(join(folder, 'absent'), /ENOENT/);
    await refused(folder, /regular file/);
  });

  it('refuses to write what the format cannot hold and leaves no file behind', async () => {
    const target = join(folder, 'refused', 'x.safetensors');
    const tensor = fromFloat32(Float32Array.of(1), [1]);
    await assert.rejects(writeSafetensors(target, new Map([['__metadata__', tensor]])), { code: 'E_SAFETENSORS' });
    await assert.rejects(writeSafetensors(target, new Map([['\ud800', tensor]])), { code: 'E_SAFETENSORS' });
    await assert.rejects(writeSafetensors(target, new Map([['x', { ...tensor, shape: [2] }]])), { code: 'E_TENSOR' });
    assert.deepEqual(await readdir(join(folder, 'refused')), []);
  });
});

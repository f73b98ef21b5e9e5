import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { TristageError } from '../../../lib/core/errors.ts';
import { randomStream } from '../../../lib/core/rng.ts';
import { type HostTensor, toFloat32, toInt32 } from '../../../lib/formats/host-tensor.ts';
import { readSafetensors } from '../../../lib/formats/safetensors.ts';
import { isTorchTensor, openTorchFile, readTorchFile } from '../../../lib/formats/torch-zip.ts';
import {
  bytesOf,
  floats,
  le,
  pickleOf,
  push,
  type TensorSpec,
  tensorOf,
  torchZip,
  type ZipPart,
  zipOf,
} from './torch-bytes.ts';

const FIXTURES = fileURLToPath(new URL('../../parity/fixtures/', import.meta.url));

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tristage-torch-'));
});
after(() => rm(folder, { recursive: true }));

async function read(bytes: Uint8Array): Promise<Record<string, HostTensor>> {
  const path = join(folder, 'file.pth');
  await writeFile(path, bytes);
  return (await readTorchFile(path)) as Record<string, HostTensor>;
}

async function refused(bytes: Uint8Array, code: RegExp, pattern = /./): Promise<void> {
  await assert.rejects(read(bytes), (error: unknown) => {
    assert.ok(error instanceof TristageError, String(error));
    assert.match(error.code, code);
    assert.equal(error.kind, 'checkpoint');
    assert.equal(error.where, join(folder, 'file.pth'));
    assert.match(`${error.message} ${error.found} ${error.expected}`, pattern);
    return true;
  });
}

/** A file of one tensor `t`. */
const one = (spec: TensorSpec, storage: Uint8Array): Buffer =>
  torchZip(pickleOf(push.dict(push.text('t'), tensorOf(spec))), { [spec.key ?? '0']: storage });

describe('torch files', () => {
  it('of the reference give model, optimizer, config, scaler and epoch', async () => {
    // biome-ignore lint/suspicious/noExplicitAny: the shape of this object is what the test asks about
    const checkpoint = (await readTorchFile(join(FIXTURES, 'minigptv2-step/checkpoint_1.pth'))) as any;
    assert.deepEqual(Object.keys(checkpoint), ['model', 'optimizer', 'config', 'scaler', 'epoch']);
    assert.equal(checkpoint.epoch, 1);
    assert.equal(checkpoint.scaler, null);
    assert.equal(checkpoint.config.model.arch, 'minigpt_v2');
    assert.deepEqual(checkpoint.optimizer.param_groups[0].betas, [0.9, 0.999]);
    assert.deepEqual(checkpoint.optimizer.param_groups[1].params, [13]);
    assert.deepEqual([...toFloat32(checkpoint.optimizer.state['0'].step)], [6]);
    const io = await readSafetensors(join(FIXTURES, 'minigptv2-step/io.safetensors'));
    assert.deepEqual(checkpoint.model['llama_proj.bias'], io.get('train_accum1.final.llama_proj.bias'));
  });

  it('are read tensor by tensor when opened', async () => {
    const file = await openTorchFile(join(FIXTURES, 'lora/adapter/adapter_model.bin'));
    try {
      const weights = file.value as Record<string, unknown>;
      const want = await readSafetensors(join(FIXTURES, 'lora/adapter/adapter_model.safetensors'));
      assert.deepEqual(Object.keys(weights).sort(), [...want.keys()].sort());
      for (const [name, tensor] of Object.entries(weights)) {
        assert.ok(isTorchTensor(tensor));
        assert.deepEqual(await file.read(tensor), want.get(name));
      }
    } finally {
      await file.close();
    }
  });

  it('honour offsets, strides, repeated elements and empty shapes', async () => {
    const storage = floats(0, 1, 2, 3, 4, 5);
    const cases: [TensorSpec, number[]][] = [
      [{ shape: [2, 3], stride: [3, 1] }, [0, 1, 2, 3, 4, 5]],
      [{ shape: [3, 2], stride: [1, 3] }, [0, 3, 1, 4, 2, 5]],
      [{ shape: [2], stride: [2], offset: 1 }, [1, 3]],
      [{ shape: [2, 2], stride: [0, 1], offset: 4 }, [4, 5, 4, 5]],
      [{ shape: [1, 3], stride: [77, 1], offset: 3 }, [3, 4, 5]],
      [{ shape: [], stride: [], offset: 5 }, [5]],
      [{ shape: [0, 3], stride: [3, 1] }, []],
      [{ shape: [2, 1, 2], stride: [3, 9, 2] }, [0, 2, 3, 5]],
    ];
    for (const [spec, want] of cases) {
      const { t } = await read(one({ ...spec, elements: 6 }, storage));
      assert.deepEqual([...toFloat32(t!)], want);
      assert.deepEqual(t!.shape, spec.shape);
    }
  });

  it('read every kind of storage', async () => {
    const cases: [string, Buffer, string][] = [
      ['DoubleStorage', Buffer.from(Float64Array.of(1, -2).buffer), 'F64'],
      ['FloatStorage', floats(1, -2), 'F32'],
      ['HalfStorage', Buffer.from(Uint16Array.of(0x3c00, 0xc000).buffer), 'F16'],
      ['BFloat16Storage', Buffer.from(Uint16Array.of(0x3f80, 0xc000).buffer), 'BF16'],
      ['LongStorage', Buffer.from(BigInt64Array.of(1n, -2n).buffer), 'I64'],
      ['IntStorage', Buffer.from(Int32Array.of(1, -2).buffer), 'I32'],
      ['ShortStorage', Buffer.from(Int16Array.of(1, -2).buffer), 'I16'],
      ['CharStorage', Buffer.from(Int8Array.of(1, -2).buffer), 'I8'],
    ];
    for (const [storage, bytes, dtype] of cases) {
      const { t } = await read(one({ storage, elements: 2, shape: [2] }, bytes));
      assert.equal(t!.dtype, dtype);
      assert.deepEqual([...toFloat32(t!)], [1, -2]);
    }
    const { t } = await read(one({ storage: 'BoolStorage', elements: 2, shape: [2] }, Buffer.of(1, 0)));
    assert.deepEqual([...toInt32(t!)], [1, 0]);
  });

  it('share storages, unwrap parameters, and keep keys that JavaScript finds special apart', async () => {
    const wrapped = push.call(
      push.global('torch._utils', '_rebuild_parameter'),
      tensorOf(),
      Buffer.of(0x88),
      push.tuple(),
    );
    const pickle = pickleOf(
      push.dict(push.text('a'), wrapped, push.text('__proto__'), tensorOf({ offset: 2, shape: [2] })),
    );
    const found = await read(torchZip(pickle, { '0': floats(1, 2, 3, 4) }));
    assert.deepEqual(Object.keys(found), ['a', '__proto__']);
    assert.deepEqual([...toFloat32(found['a']!)], [1, 2, 3, 4]);
    assert.deepEqual([...toFloat32(Object.entries(found)[1]![1])], [3, 4]);
  });
});

describe('hostile torch files', () => {
  const storage = floats(1, 2, 3, 4);
  const wrongTensors: [string, TensorSpec][] = [
    ['a view beyond its storage', { shape: [5] }],
    ['an offset beyond its storage', { offset: 1 }],
    ['strides beyond its storage', { shape: [2, 2], stride: [3, 1] }],
    ['a negative offset', { offset: -1, shape: [1] }],
    ['a negative stride', { stride: [-1] }],
    ['a negative dimension', { shape: [-4] }],
    ['fewer strides than dimensions', { shape: [2, 2] }],
    ['an expansion to terabytes', { shape: [1 << 30, 1 << 10], stride: [0, 0] }],
    ['a product beyond 2^53', { shape: [1 << 30, 1 << 30, 1 << 30], stride: [0, 0, 0] }],
    ['a storage larger than its entry', { elements: 8 }],
    ['a storage smaller than its entry', { elements: 2, shape: [2] }],
    ['a storage of another width', { storage: 'DoubleStorage' }],
    ['a negative storage', { elements: -4 }],
    ['more dimensions than torch has', { shape: Array(65).fill(1), stride: Array(65).fill(1) }],
    ['an empty view far outside', { shape: [0], offset: 1000 }],
  ];
  for (const [what, spec] of wrongTensors) {
    it(`are refused for ${what}`, async () => refused(one(spec, storage), /^E_TORCH_FILE$/));
  }

  it('are refused for many expansions that add up to more than the file can mean', async () => {
    const tensors = Array.from({ length: 8 }, (_, i) => [
      push.text(`${i}`),
      tensorOf({ shape: [1 << 24], stride: [0] }),
    ]);
    await refused(torchZip(pickleOf(push.dict(...tensors.flat())), { '0': storage }), /^E_TORCH_FILE$/, /larger/);
  });

  it('are refused for storages that are absent, described in two ways, or of an unknown kind', async () => {
    await refused(torchZip(pickleOf(push.dict(push.text('t'), tensorOf()))), /^E_TORCH_FILE$/, /no such entry/);
    const twoWays = push.dict(push.text('a'), tensorOf(), push.text('b'), tensorOf({ storage: 'IntStorage' }));
    await refused(torchZip(pickleOf(twoWays), { '0': storage }), /^E_TORCH_FILE$/, /two ways/);
    await refused(one({ storage: 'QInt8Storage' }, storage), /^E_PICKLE_GLOBAL$/, /QInt8Storage/);
    await refused(one({ storage: 'float32' }, storage), /^E_TORCH_FILE$/, /reference/);
  });

  it('are refused for values that are no storage where a storage must be', async () => {
    const fake = push.call(
      push.global('torch._utils', '_rebuild_tensor_v2'),
      push.dict(push.text('elements'), push.int(4)),
      push.int(0),
      push.tuple(push.int(4)),
      push.tuple(push.int(1)),
    );
    await refused(torchZip(pickleOf(fake)), /^E_TORCH_FILE$/, /no storage/);
    await refused(torchZip(pickleOf(push.call(push.global('torch._utils', '_rebuild_tensor_v2')))), /^E_TORCH_FILE$/);
    const parameter = push.call(push.global('torch._utils', '_rebuild_parameter'), push.int(1));
    await refused(torchZip(pickleOf(parameter)), /^E_TORCH_FILE$/, /no tensor/);
    await refused(
      torchZip(pickleOf(push.call(push.global('collections', 'OrderedDict'), push.list(push.int(1))))),
      /^E_TORCH_FILE$/,
    );
  });

  it('are refused for values that contain themselves, deep nesting and keys that collide', async () => {
    await refused(torchZip(pickleOf(bytesOf(']q', 0, 'h', 0, 'a'))), /^E_TORCH_FILE$/, /itself/);
    await refused(torchZip(pickleOf(bytesOf(']'.repeat(5000), 'a'.repeat(4999)))), /^E_TORCH_FILE$/, /levels/);
    await refused(
      torchZip(pickleOf(push.dict(push.int(1), push.int(1), push.text('1'), push.int(2)))),
      /^E_TORCH_FILE$/,
      /"1"/,
    );
    await refused(torchZip(pickleOf(push.dict(push.tuple(push.int(1)), push.int(1)))), /^E_TORCH_FILE$/, /key/);
  });

  it('do not grow by values that share values', async () => {
    let nested = bytesOf(']');
    for (let i = 0; i < 100; i++) nested = bytesOf(nested, 'q', i, '0](h', i, 'h', i, 'e');
    const value = await read(torchZip(pickleOf(nested)));
    assert.ok(Array.isArray(value) && value[0] === value[1]);
  });

  it('are refused for Python code, by its name', async () => {
    const attack = push.call(push.global('os', 'system'), push.text('true'));
    await refused(torchZip(pickleOf(attack)), /^E_PICKLE_GLOBAL$/, /os\.system/);
  });
});

describe('hostile archives', () => {
  const pickle: ZipPart = { name: 'x/data.pkl', data: pickleOf(push.dict(push.text('t'), tensorOf())) };
  const data: ZipPart = { name: 'x/data/0', data: floats(1, 2, 3, 4) };

  it('are not refused when nothing is wrong with them, with a comment too', async () => {
    const good = zipOf([pickle, data]);
    assert.deepEqual([...toFloat32((await read(good))['t']!)], [1, 2, 3, 4]);
    const comment = Buffer.from(good);
    comment.writeUInt16LE(5, comment.byteLength - 2);
    assert.ok((await read(bytesOf(comment, 'hello')))['t']);
  });

  const wrong: [string, ZipPart[], RegExp][] = [
    ['a wrong checksum of the pickle', [{ ...pickle, crc: 1 }, data], /checksum/],
    ['a wrong checksum of a storage', [pickle, { ...data, crc: 1 }], /checksum/],
    ['a compressed entry', [pickle, { ...data, method: 8 }], /compressed/],
    ['an encrypted entry', [pickle, { ...data, flags: 1 }], /encrypted/],
    ['two sizes', [pickle, { ...data, storedSize: 8 }], /sizes/],
    ['a size beyond the file', [pickle, { ...data, size: 1 << 30 }], /overlaps/],
    ['a size without zip64', [pickle, { ...data, size: 0xffffffff }], /overlaps|sizes/],
    ['entries that share bytes', [pickle, data, { ...data, name: 'x/data/1', headerOffset: 0 }], /overlaps/],
    ['an entry that comes twice', [pickle, data, data], /twice/],
    ['a header offset beyond the file', [pickle, { ...data, headerOffset: 1 << 30 }], /overlaps/],
    ['another name in the local header', [pickle, { ...data, localName: 'x/data/7' }], /local header/],
    ['no pickle', [data], /exactly one/],
    ['two pickles', [pickle, { ...pickle, name: 'y/data.pkl' }], /exactly one/],
    [
      'a structure larger than any checkpoint has',
      [{ ...pickle, data: Buffer.alloc((16 << 20) + 1) }, data],
      /too large/,
    ],
    ['the other byte order', [pickle, data, { name: 'x/byteorder', data: Buffer.from('big') }], /byte order/],
  ];
  for (const [what, parts, pattern] of wrong) {
    it(`are refused for ${what}`, async () => refused(zipOf(parts), /^E_(ZIP|TORCH_FILE)$/, pattern));
  }

  it('are refused for end records that lie', async () => {
    for (const end of [
      { count: 1 },
      { count: 9 },
      { size: 10 },
      { offset: 3 },
      { offset: 1 << 30 },
      { size: 1 << 30 },
    ]) {
      await refused(zipOf([pickle, data], end), /^E_ZIP$/);
    }
    await refused(zipOf([pickle, data], { count: 0xffff }), /^E_ZIP$/, /zip64/);
    await refused(zipOf([pickle, data], { offset: 0xffffffff }), /^E_ZIP$/, /zip64/);
  });

  it('read entries whose sizes and offsets are in 64 bits, and refuse them when these lie', async () => {
    const wide = (data: ZipPart): Buffer =>
      zipOf([
        { ...pickle, wide: true },
        { ...data, wide: true },
      ]);
    assert.deepEqual([...toFloat32((await read(wide(data)))['t']!)], [1, 2, 3, 4]);
    await refused(wide({ ...data, size: 2 ** 40 }), /^E_ZIP$/);
    await refused(wide({ ...data, headerOffset: 2 ** 50 }), /^E_ZIP$/);
    await refused(wide({ ...data, storedSize: 8 }), /^E_ZIP$/);
  });

  it('read zip64 directories', async () => {
    const plain = zipOf([pickle, data]);
    const end = plain.subarray(plain.byteLength - 22);
    const [size, offset] = [end.readUInt32LE(12), end.readUInt32LE(16)];
    const record = bytesOf(
      'PK\x06\x06',
      le(44, 8),
      le(45, 2),
      le(45, 2),
      le(0, 8),
      le(2, 8),
      le(2, 8),
      le(size, 8),
      le(offset, 8),
    );
    const locator = bytesOf('PK\x06\x07', le(0, 4), le(offset + size, 8), le(1, 4));
    const tail = bytesOf(
      'PK\x05\x06',
      le(0, 4),
      le(0xffff, 2),
      le(0xffff, 2),
      le(0xffffffff, 4),
      le(0xffffffff, 4),
      le(0, 2),
    );
    const whole = bytesOf(plain.subarray(0, plain.byteLength - 22), record, locator, tail);
    assert.deepEqual([...toFloat32((await read(whole))['t']!)], [1, 2, 3, 4]);
    for (const at of [offset + size, offset + size + 32, offset + size + 40, offset + size + 48, offset + size + 64]) {
      const broken = Buffer.from(whole);
      broken[at + 3]! ^= 0x40;
      await refused(broken, /^E_ZIP$/);
    }
  });

  it('are refused cut at every structural boundary and at seeded places, and never crash with a flipped byte', async () => {
    const whole = await readFile(join(FIXTURES, 'lora/adapter/adapter_model.bin'));
    const random = randomStream(31);
    const boundaries = [
      0,
      1,
      4,
      30,
      64,
      whole.indexOf('PK\x01\x02'),
      whole.indexOf('PK\x05\x06'),
      whole.byteLength - 1,
    ];
    const seeded = Array.from({ length: 50 }, (_, i) => random.integer(i, whole.byteLength));
    for (const length of [...boundaries, ...seeded])
      await refused(whole.subarray(0, length), /^E_(ZIP|TORCH_FILE|PICKLE|FILE_READ)$/);
    for (let i = 0; i < 300; i++) {
      const bytes = Buffer.from(whole);
      bytes[random.integer(1000 + 2 * i, bytes.byteLength)] = random.integer(1001 + 2 * i, 256);
      await read(bytes).catch((error: unknown) => assert.ok(error instanceof TristageError, String(error)));
    }
  });
});

describe('torch files of before 1.6', () => {
  const MAGIC = bytesOf(0x8a, 10, Buffer.from('6cfc9c46f9206aa85019', 'hex'));
  const machine = push.dict(push.text('protocol_version'), push.int(1001), push.text('little_endian'), Buffer.of(0x88));

  interface Legacy {
    magic?: Buffer;
    protocol?: number;
    facts?: Buffer;
    root?: Buffer;
    keys?: Buffer;
    count?: bigint;
    storage?: Buffer;
  }

  function legacy(parts: Legacy = {}): Buffer {
    const { magic = MAGIC, protocol = 1001, facts = machine, root = push.dict(push.text('t'), tensorOf()) } = parts;
    const { keys = push.list(push.text('0')), count = 4n, storage = floats(1, 2, 3, 4) } = parts;
    const pickles = [magic, push.int(protocol), facts, root, keys].map(pickleOf);
    return bytesOf(...pickles, le(count, 8), storage);
  }

  it('are read', async () => {
    assert.deepEqual([...toFloat32((await read(legacy()))['t']!)], [1, 2, 3, 4]);
  });

  const wrong: [string, Legacy][] = [
    ['another magic number', { magic: push.int(7) }],
    ['another protocol', { protocol: 1002 }],
    ['the other byte order', { facts: push.dict(push.text('little_endian'), Buffer.of(0x89)) }],
    ['no facts of the machine', { facts: push.int(0) }],
    ['a storage list that lacks one', { keys: push.list() }],
    ['a storage list that names another', { keys: push.list(push.text('1')) }],
    ['a storage list that names one twice', { keys: push.list(push.text('0'), push.text('0')) }],
    ['a storage list that is none', { keys: push.int(0) }],
    ['a count that lies', { count: 5n }],
    ['a count beyond all files', { count: 1n << 62n }],
    ['a storage cut short', { storage: floats(1, 2, 3) }],
    ['bytes behind the last storage', { storage: floats(1, 2, 3, 4, 5) }],
  ];
  for (const [what, parts] of wrong) {
    it(`are refused for ${what}`, async () => refused(legacy(parts), /^E_(TORCH_FILE|FILE_READ)$/));
  }

  it('are refused cut anywhere', async () => {
    const whole = legacy();
    for (let length = 0; length < whole.byteLength; length += 7) {
      await refused(whole.subarray(0, length), /^E_(TORCH_FILE|PICKLE|FILE_READ)$/);
    }
  });
});

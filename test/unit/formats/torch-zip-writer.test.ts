import assert from 'node:assert/strict';
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openByteFile } from '../../../lib/formats/file-bytes.ts';
import { DTYPE_BYTES, fromFloat32, type HostTensor } from '../../../lib/formats/host-tensor.ts';
import type { TensorSource } from '../../../lib/formats/tensor-source.ts';
import { readTorchFile } from '../../../lib/formats/torch-zip.ts';
import { TORCH_DTYPES, type TorchValue, writeTorchFile } from '../../../lib/formats/torch-zip-writer.ts';
import { openZip } from '../../../lib/formats/zip.ts';
import { zipWriter } from '../../../lib/formats/zip-writer.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const folder = temporaryFolder('tristage-torch-writer-');

const sourceOf = (tensor: HostTensor): TensorSource => ({ ...tensor, read: () => tensor });

const checkpoint = (): Map<string, TorchValue> =>
  new Map<string, TorchValue>([
    [
      'model',
      new Map([
        ['llama_proj.bias', sourceOf(fromFloat32(Float32Array.of(1, -2.5, Number.NaN), [3]))],
        ['scalar', sourceOf(fromFloat32(Float32Array.of(0.25), []))],
        ['empty', sourceOf(fromFloat32(new Float32Array(0), [0, 4]))],
      ]),
    ],
    [
      'config',
      new Map<string, TorchValue>([
        ['arch', 'minigpt_v2 é'],
        ['sizes', [448, 2 ** 40, -7, -1]],
        ['lr', -0.5],
      ]),
    ],
    ['scaler', null],
    ['fits', true],
  ]);

/** Where the data of each entry of an archive begins, by name, read from the local headers. */
async function dataOffsets(path: string): Promise<Map<string, number>> {
  const bytes = await readFile(path);
  const file = await openByteFile(path);
  const { entries } = await openZip(file);
  await file.close();
  return new Map(
    [...entries.values()].map(({ name, headerOffset }) => {
      const lengths = bytes.readUInt16LE(headerOffset + 26) + bytes.readUInt16LE(headerOffset + 28);
      return [name, headerOffset + 30 + lengths];
    }),
  );
}

describe('writing torch files', () => {
  it('gives back dicts in order, texts, numbers and tensors', async () => {
    const path = join(folder, 'round.pth');
    await writeTorchFile(path, checkpoint());
    // biome-ignore lint/suspicious/noExplicitAny: the shape of this object is what the test asks about
    const found = (await readTorchFile(path)) as any;
    assert.deepEqual(Object.keys(found), ['model', 'config', 'scaler', 'fits']);
    assert.deepEqual({ ...found.config }, { arch: 'minigpt_v2 é', sizes: [448, 2 ** 40, -7, -1], lr: -0.5 });
    assert.deepEqual([found.scaler, found.fits], [null, true]);
    assert.deepEqual(Object.keys(found.model), ['llama_proj.bias', 'scalar', 'empty']);
    assert.deepEqual(found.model['llama_proj.bias'], fromFloat32(Float32Array.of(1, -2.5, Number.NaN), [3]));
    assert.deepEqual(found.model.scalar.shape, []);
    assert.deepEqual(found.model.empty, { dtype: 'F32', shape: [0, 4], bytes: new Uint8Array(0) });
  });

  it('keeps every dtype as it is', async () => {
    const path = join(folder, 'dtypes.pth');
    const tensors = TORCH_DTYPES.map((dtype): [string, HostTensor] => [
      dtype,
      { dtype, shape: [1, 2], bytes: new Uint8Array(2 * DTYPE_BYTES[dtype]).fill(1) },
    ]);
    await writeTorchFile(path, new Map(tensors.map(([name, tensor]) => [name, sourceOf(tensor)])));
    assert.deepEqual({ ...((await readTorchFile(path)) as object) }, Object.fromEntries(tensors));
    const other = sourceOf({ dtype: 'F8_E4M3', shape: [1], bytes: Uint8Array.of(1) });
    await assert.rejects(writeTorchFile(path, new Map([['x', other]])), {
      code: 'E_TORCH_FILE',
      found: 'dtype F8_E4M3',
    });
  });

  it('makes equal bytes of equal content, whatever the file is called', async () => {
    const paths = [join(folder, 'one.pth'), join(folder, 'other.bin')];
    for (const path of paths) await writeTorchFile(path, checkpoint());
    const [one, other] = await Promise.all(paths.map((path) => readFile(path)));
    assert.ok(one!.equals(other!));
  });

  it('begins the data of every entry at a multiple of 64 bytes, the structure first', async () => {
    const path = join(folder, 'aligned.pth');
    await writeTorchFile(path, checkpoint());
    const offsets = await dataOffsets(path);
    assert.equal([...offsets.keys()][0], 'archive/data.pkl');
    assert.ok(offsets.has('archive/data/2') && offsets.has('archive/version'));
    for (const [name, offset] of offsets) assert.equal(offset % 64, 0, name);
  });

  it('fetches one tensor after the other, and leaves nothing when one is not as it was described', async () => {
    const path = join(folder, 'broken.pth');
    const events: string[] = [];
    const source = (name: string, length: number): TensorSource => ({
      dtype: 'F32',
      shape: [2],
      read: () => {
        events.push(name);
        return fromFloat32(new Float32Array(length), [length]);
      },
    });
    const root = new Map([
      ['a', source('a', 2)],
      ['b', source('b', 3)],
      ['c', source('c', 2)],
    ]);
    await assert.rejects(writeTorchFile(path, root), { code: 'E_TENSOR', where: 'archive/data/1' });
    assert.deepEqual(events, ['a', 'b']);
    assert.ok(!(await readdir(folder)).some((name) => name.includes('broken')));
  });

  it('refuses a shape that no tensor has and a whole number that is not exact', async () => {
    const source: TensorSource = { dtype: 'F32', shape: [-1], read: () => assert.fail('not read') };
    await assert.rejects(writeTorchFile(join(folder, 'x.pth'), new Map([['a', source]])), { code: 'E_TORCH_FILE' });
    await assert.rejects(writeTorchFile(join(folder, 'x.pth'), new Map([['a', 2 ** 60]])), RangeError);
  });
});

describe('writing ZIP archives', () => {
  it('says in 64 bits where an entry begins behind 4 GiB', async () => {
    const path = join(folder, 'far.zip');
    const start = 5 * 2 ** 30;
    const handle = await open(path, 'w');
    // The bytes before are a hole of the file.
    let position = start;
    const archive = zipWriter(async (bytes) => {
      position += (await handle.write(bytes, 0, bytes.byteLength, position)).bytesWritten;
    }, start);
    await archive.add('near', Buffer.from('first'));
    await archive.add('far', Buffer.from('second'));
    await archive.end();
    await handle.close();
    const file = await openByteFile(path);
    const { entries, read } = await openZip(file);
    assert.deepEqual([...entries.keys()], ['near', 'far']);
    assert.ok(entries.get('near')!.headerOffset >= start);
    assert.equal(Buffer.from(await read(entries.get('far')!)).toString(), 'second');
    await file.close();
  });

  it('counts more than 65534 entries in 64 bits', async () => {
    const path = join(folder, 'many.zip');
    const parts: Uint8Array[] = [];
    const archive = zipWriter(async (bytes) => void parts.push(bytes));
    for (let i = 0; i < 65_535; i++) await archive.add(String(i), new Uint8Array(0));
    await archive.end();
    const handle = await open(path, 'w');
    await handle.writeFile(Buffer.concat(parts));
    await handle.close();
    const file = await openByteFile(path);
    assert.equal((await openZip(file)).entries.size, 65_535);
    await file.close();
  });
});

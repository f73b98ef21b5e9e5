import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import fc from 'fast-check';
import { DTYPE_BYTES, type HostTensor } from '../../lib/formats/host-tensor.ts';
import { readTorchFile } from '../../lib/formats/torch-zip.ts';
import { TORCH_DTYPES, writeTorchFile } from '../../lib/formats/torch-zip-writer.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder('tristage-torch-file-');

const tensor: fc.Arbitrary<HostTensor> = fc
  .record({
    dtype: fc.constantFrom(...TORCH_DTYPES),
    shape: fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 }),
  })
  .chain(({ dtype, shape }) => {
    const length = shape.reduce((product, size) => product * size, DTYPE_BYTES[dtype]);
    return fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => ({ dtype, shape, bytes }));
  });

it('a torch file gives back every name, dtype, shape and byte that was written', async () => {
  const state = fc.uniqueArray(fc.tuple(fc.string({ unit: 'binary' }), tensor), {
    selector: ([name]) => name,
    maxLength: 8,
  });
  await fc.assert(
    fc.asyncProperty(state, async (entries) => {
      const path = join(folder, 'state.pth');
      await writeTorchFile(path, new Map(entries.map(([name, item]) => [name, { ...item, read: () => item }])));
      const found = Object.entries((await readTorchFile(path)) as Record<string, HostTensor>);
      assert.deepEqual(new Map(found), new Map(entries));
    }),
    { numRuns: 60 },
  );
});

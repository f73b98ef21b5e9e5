/** The memory of CPU tensors: nothing is held beyond the most that was in use at once, and a limit is an error with a code. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TristageError } from '../../../lib/core/errors.ts';
import { openEngine } from '../../../lib/engine/engine.ts';
import { type Tensor, tf } from '../../../lib/engine/tf.ts';
import { native } from '../../../lib/engine/torch/binding.ts';

await openEngine({ backend: 'torch', device: 'cpu', threads: 1 });

const MEGABYTE = 2 ** 20;
/** f32 of so many megabytes, every value the same. */
const block = (megabytes: number, value = 1): Tensor => tf.fill([megabytes * 2 ** 18], value);

test('a block that is freed is given out again, and none is held beyond the most in use at once', () => {
  const [before] = native().memory();
  native().resetPeak();
  for (let round = 0; round < 20; round++) {
    const tensors = [3, 1, 2, 4].map((megabytes) => block(megabytes + (round % 3)));
    tensors.reverse().forEach((tensor) => void tensor.dispose());
  }
  const [used, kept, peak] = native().memory();
  assert.equal(used, before);
  // The largest round has 18 MB at once; an eighth more may be given for a block.
  assert.ok(peak - before >= 18 * MEGABYTE && peak - before <= 20.5 * MEGABYTE, `${peak - before}`);
  assert.ok(used + kept <= peak + 2.5 * MEGABYTE, `${kept} bytes are kept`);
});

test('values survive when blocks are given another size', () => {
  const first = block(5, 7);
  first.dispose();
  const tensors = [block(2, 1), block(3, 2), block(6, 3), block(1, 4)];
  const sums = tensors.map((tensor) => tf.tidy(() => tf.mean(tensor).dataSync()[0]));
  assert.deepEqual(sums, [1, 2, 3, 4]);
  tensors.forEach((tensor) => void tensor.dispose());
});

test('what goes beyond the limit is refused as out of memory, and the engine works on', () => {
  const [used] = native().memory();
  native().limitMemory(used + 8 * MEGABYTE);
  try {
    const isMemory = (error: unknown) => error instanceof TristageError && error.code === 'E_MEMORY';
    assert.throws(() => block(9), isMemory);
    const fits = block(7, 5);
    assert.throws(() => tf.add(fits, fits), isMemory);
    assert.equal(
      tf.tidy(() => tf.max(fits).dataSync()[0]),
      5,
    );
    fits.dispose();
  } finally {
    native().limitMemory(0);
  }
  block(9).dispose();
});

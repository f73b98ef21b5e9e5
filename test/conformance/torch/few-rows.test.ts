/** The product of few rows with a large weight against torch's own, for every shape of its tiles. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Handle, native, operator, withTemporaries } from '../../../lib/engine/torch/binding.ts';
import { randomTensor, relativeError } from '../../support/tensors.ts';
import { openOrReason } from './support.ts';

const skip = await openOrReason();

const fewRows = operator('tristage::few_rows_product');
const linear = operator('aten::linear');
const toType = operator('aten::to.dtype');
const transpose = operator('aten::t');

type Keep = (tensor: Handle) => Handle;

const upload = (keep: Keep, shape: [number, number], seed: number): Handle =>
  keep(native().fromData(randomTensor(shape, seed).dataSync(), 'float32', shape, 'float32', 'cpu'));

function assertEqual(keep: Keep, own: Handle, reference: Handle, what: string): void {
  assert.deepEqual(native().shape(own), native().shape(reference), what);
  const error = relativeError(native().read(keep(own)), native().read(keep(reference)));
  assert.ok(error < 2e-6, `${what}: ${error}`);
}

describe('torch: products of few rows', { skip }, () => {
  for (const rows of [1, 2, 3, 4, 5, 8, 9, 31]) {
    test(`${rows} rows times weights of odd and even sizes are those of torch, in float32 and bfloat16`, () => {
      for (const [inner, columns] of [
        [1, 1],
        [7, 5],
        [16, 6],
        [37, 13],
        [64, 300],
        [576, 48],
      ] as const) {
        withTemporaries((keep) => {
          const [x, weight] = [upload(keep, [rows, inner], 1), upload(keep, [columns, inner], 2)];
          const what = `${rows} x ${inner} x ${columns}`;
          assertEqual(keep, fewRows(x, weight), linear(x, weight, null), what);
          const narrow = keep(toType(weight, 'bfloat16', false, false, null));
          const widened = keep(toType(narrow, 'float32', false, false, null));
          assertEqual(keep, fewRows(x, narrow), linear(x, widened, null), `${what} in bfloat16`);
        });
      }
    });
  }

  test('a transposed weight and transposed rows are multiplied as they read', () =>
    withTemporaries((keep) => {
      const [x, weight] = [keep(transpose(upload(keep, [20, 3], 1))), keep(transpose(upload(keep, [20, 9], 2)))];
      assertEqual(keep, fewRows(x, weight), linear(x, weight, null), 'transposed');
    }));

  test('a value that is not a number reaches every sum that it belongs to', () =>
    withTemporaries((keep) => {
      const rows = new Float32Array(40).fill(1);
      rows[25] = Number.NaN;
      const x = keep(native().fromData(rows, 'float32', [2, 20], 'float32', 'cpu'));
      const y = native().read(keep(fewRows(x, upload(keep, [3, 20], 1))));
      assert.deepEqual(
        [...y].map((value) => Number.isNaN(value)),
        [false, false, false, true, true, true],
      );
    }));

  test('rows and weight of other lengths or types are refused', () =>
    withTemporaries((keep) => {
      const x = upload(keep, [2, 8], 1);
      assert.throws(() => fewRows(x, upload(keep, [3, 9], 2)), /rows of one length/);
      const whole = keep(native().fromData(new Int32Array(24), 'int32', [3, 8], 'int32', 'cpu'));
      assert.throws(() => fewRows(x, whole), /float32 or bfloat16/);
    }));
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bfloat16ToFloat32, float32ToBfloat16, float32ToHalf, halfToFloat32 } from '../../../lib/formats/half.ts';
import { castFloat, fromFloat32, type HostTensor, toFloat32, toInt32 } from '../../../lib/formats/host-tensor.ts';

describe('host tensors', () => {
  it('brings every binary16 word through float32 and back unchanged', () => {
    const words = Uint16Array.from({ length: 65536 }, (_, i) => i).filter((w) => (w & 0x7fff) <= 0x7c00);
    assert.deepEqual(float32ToHalf(halfToFloat32(words)), words);
    const nan = Uint16Array.of(0x7e00, 0xfe01, 0x7c01);
    assert.ok(halfToFloat32(nan).every(Number.isNaN));
    assert.ok(halfToFloat32(float32ToHalf(halfToFloat32(nan))).every(Number.isNaN));
  });

  it('rounds float32 to binary16 to nearest with ties to even', () => {
    const cases: [number, number][] = [
      [1, 1],
      [1 + 2 ** -11, 1],
      [1 + 3 * 2 ** -11, 1 + 2 ** -9],
      [65504, 65504],
      [65519, 65504],
      [65520, Infinity],
      [2 ** -24, 2 ** -24],
      [2 ** -25, 0],
      [2 ** -25 * 1.0001, 2 ** -24],
      [-(2 ** -14), -(2 ** -14)],
      [1e30, Infinity],
      [-Infinity, -Infinity],
    ];
    const result = halfToFloat32(float32ToHalf(Float32Array.from(cases, ([value]) => value)));
    assert.deepEqual(
      [...result],
      cases.map(([, rounded]) => rounded),
    );
  });

  it('rounds float32 to bfloat16 to nearest with ties to even', () => {
    const cases: [number, number][] = [
      [1, 1],
      [1 + 2 ** -8, 1],
      [1 + 3 * 2 ** -8, 1 + 2 ** -6],
      [-5.0123, -5],
      [Infinity, Infinity],
      [3.4e38, Infinity],
    ];
    const result = bfloat16ToFloat32(float32ToBfloat16(Float32Array.from(cases, ([value]) => value)));
    assert.deepEqual(
      [...result],
      cases.map(([, rounded]) => rounded),
    );
    assert.ok(Number.isNaN(bfloat16ToFloat32(float32ToBfloat16(Float32Array.of(Number.NaN)))[0]));
  });

  it('reads every dtype, also from bytes that are not aligned', () => {
    const of = (dtype: HostTensor['dtype'], view: ArrayBufferView): HostTensor => {
      const shifted = new Uint8Array(view.byteLength + 1);
      shifted.set(new Uint8Array(view.buffer), 1);
      const count = dtype === 'BOOL' ? view.byteLength : (view as Uint8Array).length;
      return { dtype, shape: [count], bytes: shifted.subarray(1) };
    };
    assert.deepEqual([...toFloat32(of('F64', Float64Array.of(0.1)))], [Math.fround(0.1)]);
    assert.deepEqual([...toFloat32(of('F32', Float32Array.of(-2.5)))], [-2.5]);
    assert.deepEqual([...toFloat32(of('F16', Uint16Array.of(0x3e00)))], [1.5]);
    assert.deepEqual([...toFloat32(of('BF16', Uint16Array.of(0xc020)))], [-2.5]);
    assert.deepEqual([...toFloat32(of('I64', BigInt64Array.of(-3n)))], [-3]);
    assert.deepEqual([...toInt32(of('I64', BigInt64Array.of(-3n)))], [-3]);
    assert.deepEqual([...toInt32(of('I16', Int16Array.of(-4)))], [-4]);
    assert.deepEqual([...toInt32(of('I8', Int8Array.of(-5)))], [-5]);
    assert.deepEqual([...toInt32(of('U8', Uint8Array.of(250)))], [250]);
    assert.deepEqual([...toInt32(of('BOOL', Uint8Array.of(1, 0)))], [1, 0]);
    assert.throws(() => toInt32(of('I64', BigInt64Array.of(1n << 31n))), { code: 'E_TENSOR' });
    assert.throws(() => toInt32(of('F32', Float32Array.of(1))), { code: 'E_TENSOR' });
  });

  it('refuses a tensor whose bytes do not fit its shape', () => {
    const tensor = fromFloat32(Float32Array.of(1, 2), [2]);
    for (const shape of [[3], [1.5], [-2], [2 ** 60]]) {
      assert.throws(() => toFloat32({ ...tensor, shape }), { code: 'E_TENSOR' });
    }
  });

  it('casts between float dtypes and refuses integers', () => {
    const tensor = fromFloat32(Float32Array.of(1.5, -0.25), [2]);
    for (const dtype of ['F32', 'F16', 'BF16'] as const) {
      const cast = castFloat(tensor, dtype);
      assert.equal(cast.dtype, dtype);
      assert.deepEqual([...toFloat32(cast)], [1.5, -0.25]);
    }
    assert.throws(() => castFloat({ dtype: 'I8', shape: [1], bytes: Uint8Array.of(1) }, 'F32'), { code: 'E_TENSOR' });
  });
});

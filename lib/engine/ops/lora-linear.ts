/** Linear layer with a low-rank update: `y = x W^T + scaling (x o mask) A^T B^T` (LoRA, arXiv 2106.09685, section 4.1). */
import { type Tensor, type Tensor2D, tf } from '../tf.ts';
import { masked } from './dropout-mask.ts';
import { defineFusedOp, runFused } from './fused-op.ts';
import { asRows, linearGradX, rowsProduct, withLastDim } from './linear.ts';

/** The rows of x that the adapter sees. */
function seenRows(x: Tensor, mask: Tensor | undefined): Tensor2D {
  return mask ? (masked(asRows(x), mask) as Tensor2D) : asRows(x);
}

defineFusedOp({
  kernelName: 'LoraLinear',
  optionalInput: 'mask',
  composite: ({ x, weight, a, b, mask }, { scaling }) => {
    const xa = tf.matMul(seenRows(x!, mask), a as Tensor2D, false, true);
    const update = tf.mul(tf.matMul(xa, b as Tensor2D, false, true), scaling as number);
    const y = tf.add(tf.matMul(asRows(x!), weight as Tensor2D, false, true), update);
    return [tf.reshape(y, withLastDim(x!, weight!.shape[0]!)), tf.reshape(xa, withLastDim(x!, a!.shape[0]!))];
  },
  gradient: {
    savedInputs: { x: ['weight', 'a'], weight: ['x'], a: ['x'], b: ['x', 'a'], mask: ['x', 'a'] },
    savedOutputs: { 1: ['b'] },
    thunks: (dy, { x, weight, a, b, mask, out1 }, attrs) => {
      const scaling = attrs['scaling'] as number;
      let known: Tensor | undefined;
      // The gradient that reaches `xa`.
      const dxa = () => {
        known ??= linearGradX(dy, b!, scaling);
        return known;
      };
      return {
        x: () => runFused('LoraLinearGradX', { dy, dxa: dxa(), weight, a, mask })[0],
        weight: () => rowsProduct(dy, x!),
        a: () => rowsProduct(dxa(), mask ? masked(x!, mask) : x!),
        b: () => rowsProduct(dy, out1!, scaling),
      };
    },
  },
});

defineFusedOp({
  kernelName: 'LoraLinearGradX',
  optionalInput: 'mask',
  composite: ({ dy, dxa, weight, a, mask }) => {
    const frozenPart = tf.matMul(asRows(dy!), weight as Tensor2D);
    const lowRankPart = tf.matMul(asRows(dxa!), a as Tensor2D);
    const reaching = mask ? masked(lowRankPart, mask) : lowRankPart;
    return [tf.reshape(tf.add(frozenPart, reaching), withLastDim(dy!, weight!.shape[1]!))];
  },
});

export interface LoraLinearArgs {
  /** f32[..., I] */
  x: Tensor;
  /** f32[O, I] */
  weight: Tensor;
  /** `lora_A`, f32[R, I] */
  a: Tensor;
  /** `lora_B`, f32[O, R] */
  b: Tensor;
  scaling: number;
  /** Dropout of the low-rank input, bool[N, I] for its N rows: false is dropped; what is kept grows by `scaling`. */
  mask?: Tensor | undefined;
}

/** @returns f32[..., O] */
export function loraLinear({ x, weight, a, b, scaling, mask }: LoraLinearArgs): Tensor {
  const [y, xa] = runFused('LoraLinear', { x, weight, a, b, mask }, { scaling });
  xa!.dispose();
  return y!;
}

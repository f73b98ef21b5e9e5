/** Linear layer with a low-rank update: `y = x W^T + scaling (x o mask) A^T B^T` (LoRA, arXiv 2106.09685, section 4.1). */
import { type Tensor, type Tensor2D, tf } from '../tf.ts';
import { masked } from './dropout-mask.ts';
import { defineFusedOp, runFused } from './fused-op.ts';
import { asRows, withLastDim } from './linear.ts';
import { scale } from './scale.ts';

/** `scaling * dy B`, f32[N, R]: the gradient that reaches `xa`. */
function lowRankGradient(dy: Tensor, b: Tensor, scaling: number): Tensor2D {
  return scale(tf.matMul(asRows(dy), b as Tensor2D), scaling) as Tensor2D;
}

function dropped(x: Tensor, mask: Tensor | undefined): Tensor {
  return mask ? masked(x, mask) : x;
}

defineFusedOp({
  kernelName: 'LoraLinearGradX',
  optionalInput: 'mask',
  composite: ({ dy, dxa, weight, a, mask }) => {
    const frozenPart = tf.matMul(asRows(dy!), weight as Tensor2D);
    const lowRankPart = tf.matMul(dxa as Tensor2D, a as Tensor2D);
    const reaching = dropped(lowRankPart, mask && asRows(mask));
    return [tf.reshape(tf.add(frozenPart, reaching), withLastDim(dy!, weight!.shape[1]!))];
  },
});

defineFusedOp({
  kernelName: 'LoraLinear',
  optionalInput: 'mask',
  composite: ({ x, weight, a, b, mask }, { scaling }) => {
    const xa = tf.matMul(asRows(dropped(x!, mask)), a as Tensor2D, false, true);
    const update = tf.mul(tf.matMul(xa, b as Tensor2D, false, true), scaling as number);
    const y = tf.add(tf.matMul(asRows(x!), weight as Tensor2D, false, true), update);
    return [tf.reshape(y, withLastDim(x!, weight!.shape[0]!)), tf.reshape(xa, withLastDim(x!, a!.shape[0]!))];
  },
  gradient: {
    savedInputs: { x: ['weight', 'a'], weight: ['x'], a: ['x'], b: ['x', 'a'], mask: ['x', 'a'] },
    savedOutputs: { 1: ['b'] },
    thunks: (dy, saved, attrs) => {
      const scaling = attrs['scaling'] as number;
      const { weight, a, b, mask } = saved;
      let known: Tensor2D | undefined;
      const dxa = () => {
        known ??= lowRankGradient(dy, b!, scaling);
        return known;
      };
      return {
        x: () => runFused('LoraLinearGradX', { dy, dxa: dxa(), weight, a, mask })[0],
        weight: () => tf.matMul(asRows(dy), asRows(saved['x']!), true, false),
        a: () => tf.matMul(dxa(), asRows(dropped(saved['x']!, mask)), true, false),
        b: () => scale(tf.matMul(asRows(dy), asRows(saved['out1']!), true, false), scaling),
      };
    },
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
  /** Dropout of the low-rank input, bool[..., I]: false is dropped; what is kept grows by `scaling`. */
  mask?: Tensor | undefined;
}

/** @returns f32[..., O] */
export function loraLinear({ x, weight, a, b, scaling, mask }: LoraLinearArgs): Tensor {
  const [y, xa] = runFused('LoraLinear', { x, weight, a, b, mask }, { scaling });
  xa!.dispose();
  return y!;
}

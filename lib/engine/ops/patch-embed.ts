/** Non-overlapping convolution of a ViT as one matrix product over flattened patches (arXiv 2010.11929, equation 1). */
import { type Tensor, type Tensor2D, tf } from '../tf.ts';
import { defineFusedOp, runFused } from './fused-op.ts';
import { asRows } from './linear.ts';

/** f32[B, C, S, S] -> f32[B P, C patch patch], patches row-major, each in channel, row, column order. */
function unfold(pixels: Tensor, patch: number): Tensor2D {
  const [batch, channels, height, width] = pixels.shape as [number, number, number, number];
  const [rows, columns] = [height / patch, width / patch];
  const split = tf.reshape(pixels, [batch, channels, rows, patch, columns, patch]);
  const patches = tf.transpose(split, [0, 2, 4, 1, 3, 5]);
  return tf.reshape(patches, [batch * rows * columns, channels * patch * patch]) as Tensor2D;
}

defineFusedOp({
  kernelName: 'PatchEmbed',
  composite: ({ pixels, weight, bias }, { patch }) => {
    const [width] = weight!.shape as [number];
    const [batch] = pixels!.shape as [number];
    const flat = tf.reshape(weight!, [width, -1]) as Tensor2D;
    const y = tf.add(tf.matMul(unfold(pixels!, patch as number), flat, false, true), bias!);
    return [tf.reshape(y, [batch, -1, width])];
  },
  gradient: {
    savedInputs: { pixels: ['weight'] },
    thunks: (dy, { pixels }, { patch }) => ({
      weight: () => {
        const width = dy.shape[dy.rank - 1]!;
        const flat = tf.matMul(asRows(dy), unfold(pixels!, patch as number), true, false);
        return tf.reshape(flat, [width, pixels!.shape[1]!, patch as number, patch as number]);
      },
      bias: () => tf.sum(asRows(dy), 0),
    }),
  },
});

export interface PatchEmbedArgs {
  /** Normalised pixels f32[B, 3, S, S]; no gradient. */
  pixels: Tensor;
  /** f32[D, 3, patch, patch] */
  weight: Tensor;
  /** f32[D] */
  bias: Tensor;
}

/** @returns f32[B, (S / patch)^2, D], row-major */
export function patchEmbed({ pixels, weight, bias }: PatchEmbedArgs): Tensor {
  return runFused('PatchEmbed', { pixels, weight, bias }, { patch: weight.shape[3]! })[0];
}

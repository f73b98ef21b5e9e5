/** Activation recomputation: keep a block's inputs, run it again in the backward pass (arXiv 1604.06174). */
import { type Tensor, tf, type Variable } from '../tf.ts';
import { isRecording, recordNode, withoutRecording } from './tape.ts';
import { vectorJacobianProduct } from './value-and-grads.ts';

/**
 * Runs `block` so that only its inputs are kept for the backward pass. Nests: a block may recompute parts of itself.
 * @param block a pure function of its inputs and of `variables`: run twice, it must give the same numbers
 * @param inputs tensors that the block may depend on with a gradient; everything else it reads is constant
 * @param variables variables that the block reads with a gradient
 * @returns the block's result; the caller disposes it
 */
export function recompute(
  block: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  variables: readonly Variable[],
): Tensor {
  if (!isRecording()) return tf.tidy(() => block(...inputs));
  const output = withoutRecording(() => tf.tidy(() => block(...inputs)));
  const saved = withoutRecording(() => inputs.map((tensor) => tf.keep(tf.clone(tensor))));
  const sources = [...inputs, ...variables];
  recordNode({
    kernelName: 'Recompute',
    inputs: Object.fromEntries(sources.map((tensor, i) => [String(i), tensor])),
    outputs: [output],
    saved,
    gradient: ([dy]) => {
      let grads: (Tensor | null)[] | undefined;
      const grad = (i: number) => {
        grads ??= differentiate(block, { inputs: saved, variables, dy: dy! });
        return grads[i] ?? tf.fill(sources[i]!.shape, 0);
      };
      return Object.fromEntries(sources.map((_, i) => [String(i), () => grad(i)]));
    },
  });
  return output;
}

function differentiate(
  block: (...inputs: Tensor[]) => Tensor,
  { inputs, variables, dy }: { inputs: readonly Tensor[]; variables: readonly Variable[]; dy: Tensor },
): (Tensor | null)[] {
  const { outputs, grads } = vectorJacobianProduct(() => [block(...inputs)], [...inputs, ...variables], dy);
  for (const tensor of outputs) tensor.dispose();
  return grads;
}

/**
 * Reverse-mode differentiation by our own walk over the tfjs tape. Unlike `tf.variableGrads` it frees each saved tensor
 * and each output gradient as soon as its node is done, and it can run inside itself (see recompute.ts).
 */
import { TristageError } from '../../core/errors.ts';
import { isNarrow } from '../narrow.ts';
import { isFused } from '../ops/fused-op.ts';
import { type Scalar, type Tensor, tf, type Variable } from '../tf.ts';
import { record, Tape, type TapeNode, withoutRecording } from './tape.ts';

export interface ValueAndGrads {
  /** The differentiated scalar; the caller disposes it. */
  value: Scalar;
  /** Further tensors that `f` returned; the caller disposes them. */
  aux: Tensor[];
  /** One gradient per variable, null where the value does not depend on it; the caller disposes them. */
  grads: (Tensor | null)[];
}

/**
 * The value of `f` and its gradients by `variables`.
 * @param f returns a float32 scalar, or a list whose first element is that scalar and whose others are passed through
 * @throws E_GRADIENT when an operation on the way has no gradient, or the value is no scalar
 */
export function valueAndGrads(f: () => Tensor | Tensor[], variables: readonly Variable[]): ValueAndGrads {
  const { outputs, grads } = vectorJacobianProduct(() => [f()].flat(), variables);
  const [value, ...aux] = outputs;
  return { value: value as Scalar, aux, grads };
}

interface VectorJacobianProduct {
  outputs: Tensor[];
  grads: (Tensor | null)[];
}

/**
 * Runs `f` once forward, recorded, and once backward from its first output.
 * @param sources tensors to differentiate by
 * @param dy gradient of the first output; absent: the output must be a scalar and its gradient is 1
 */
export function vectorJacobianProduct(
  f: () => Tensor[],
  sources: readonly Tensor[],
  dy?: Tensor,
): VectorJacobianProduct {
  const tape = new Tape(sources);
  let outputs: Tensor[] = [];
  try {
    outputs = record(tape, () => tf.tidy(f));
    const first = outputs[0]!;
    if (dy === undefined && first.size !== 1) {
      throw gradientError('Only a scalar can be differentiated', `shape [${first.shape}]`);
    }
    const seed = dy === undefined ? tf.onesLike(first) : tf.clone(dy);
    return { outputs, grads: withoutRecording(() => walkBack(tape, sources, first, seed)) };
  } catch (error) {
    tf.dispose(outputs.filter((output) => !sources.includes(output)));
    throw error;
  } finally {
    tape.dispose();
  }
}

function walkBack(tape: Tape, sources: readonly Tensor[], output: Tensor, seed: Tensor): (Tensor | null)[] {
  const gradients = new Map<number, Tensor>([[output.id, seed]]);
  try {
    collectGradients(tape, sources, gradients);
  } catch (error) {
    // Whoever goes on with less, as after a lack of memory, must find all of it.
    for (const tensor of gradients.values()) tensor.dispose();
    throw error;
  }
  const grads = sources.map((tensor) => gradients.get(tensor.id) ?? null);
  const kept = new Set(grads);
  for (const tensor of gradients.values()) if (!kept.has(tensor)) tensor.dispose();
  return grads;
}

/** From the last node to the first; gradients that no other node needs, nor a source is, are freed on the way. */
function collectGradients(tape: Tape, sources: readonly Tensor[], gradients: Map<number, Tensor>): void {
  const sourceIds = new Set(sources.map((tensor) => tensor.id));
  const variableIds = new Set(sources.filter((tensor) => tensor instanceof tf.Variable).map((tensor) => tensor.id));
  for (let node = tape.nodes.pop(); node !== undefined; node = tape.nodes.pop()) {
    try {
      const dys = node.outputs.map((tensor) => gradients.get(tensor.id) ?? null);
      if (dys.every((dy) => dy === null)) continue;
      const contributions = inputGradients(tape, node, dys);
      for (const tensor of node.outputs) {
        if (!sourceIds.has(tensor.id)) release(gradients, tensor.id);
      }
      for (const [id, dx] of contributions) accumulate(gradients, id, variableIds.has(id) ? inFloat32(dx) : dx);
    } finally {
      for (const tensor of node.saved ?? []) tensor.dispose();
    }
  }
}

/** Gradients of one node's inputs that lead to a source, by tensor id. */
function inputGradients(tape: Tape, node: TapeNode, dys: (Tensor | null)[]): [number, Tensor][] {
  const names = Object.keys(node.inputs).filter((name) => tape.reaches(node.inputs[name]));
  if (node.gradient === undefined) throw gradientError(`Kernel '${node.kernelName}' has no gradient`, node.kernelName);
  const results = tf.tidy(() => {
    const thunks = node.gradient!(completeOutputGradients(node, dys));
    const owned = new Set<Tensor | null>(dys);
    return names.map((name) => {
      const thunk = thunks[name];
      if (thunk === undefined) {
        throw gradientError(`Kernel '${node.kernelName}' has no gradient for its input`, name);
      }
      const dx = thunk();
      // A thunk may hand back what it was given, or one tensor for two inputs; a clone shares the data and has a
      // lifetime of its own.
      const result = owned.has(dx) ? tf.clone(dx) : dx;
      owned.add(result);
      return result;
    });
  });
  return names.map((name, i) => [node.inputs[name]!.id, checkShape(node, name, results[i]!)]);
}

/** Outputs that nothing depends on: zeros, or for the auxiliary outputs of a fused op, which are never read, what is there. */
function completeOutputGradients(node: TapeNode, dys: (Tensor | null)[]): Tensor[] {
  const unread = isFused(node.kernelName) ? dys[0] : undefined;
  return dys.map((dy, i) => dy ?? unread ?? tf.fill(node.outputs[i]!.shape, 0));
}

function checkShape(node: TapeNode, name: string, dx: Tensor): Tensor {
  const expected = node.inputs[name]!.shape;
  if (dx.shape.length !== expected.length || dx.shape.some((side, i) => side !== expected[i])) {
    throw gradientError(
      `The gradient of '${node.kernelName}' for its input '${name}' has the wrong shape`,
      `[${dx.shape}]`,
      `[${expected}]`,
    );
  }
  return dx;
}

function accumulate(gradients: Map<number, Tensor>, id: number, dx: Tensor): void {
  const known = gradients.get(id);
  if (known === undefined) {
    gradients.set(id, dx);
    return;
  }
  gradients.set(id, tf.add(known, dx));
  known.dispose();
  dx.dispose();
}

/** What is added up for a variable, over its uses and over micro-batches, is float32. Takes over the tensor. */
function inFloat32(dx: Tensor): Tensor {
  if (!isNarrow(dx)) return dx;
  const wide = tf.cast(dx, 'float32');
  dx.dispose();
  return wide;
}

function release(gradients: Map<number, Tensor>, id: number): void {
  gradients.get(id)?.dispose();
  gradients.delete(id);
}

function gradientError(message: string, found: string, expected?: string): TristageError {
  return new TristageError({
    kind: 'failure',
    code: 'E_GRADIENT',
    message,
    found,
    ...(expected === undefined ? {} : { expected }),
  });
}

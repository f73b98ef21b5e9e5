/**
 * What a fused op is: one tfjs kernel with several outputs, a registered gradient that has one thunk per input, and a
 * composite of plain tfjs operations that defines its mathematics on every backend without a native kernel.
 */
import { TristageError } from '../../core/errors.ts';
import { type KernelConfig, type NamedAttrMap, type NamedTensorMap, type Tensor, tf } from '../tf.ts';

export type Attrs = Readonly<Record<string, unknown>>;
export type KernelFunc = KernelConfig['kernelFunc'];
export type TensorMap = Readonly<Record<string, Tensor>>;

/** Gradients of a fused op: which saved tensor serves which input's thunk, and the thunks. */
export interface FusedGradient {
  /** Saved inputs, each with the inputs whose gradient needs it; what no trained input needs is freed at once. */
  savedInputs?: Readonly<Record<string, readonly string[]>>;
  /** Saved outputs by position, each with the inputs whose gradient needs it. */
  savedOutputs?: Readonly<Record<number, readonly string[]>>;
  /**
   * @param dy gradient of the first output (further outputs are auxiliary: nothing flows back through them)
   * @param saved saved inputs by name, saved outputs as `out0`, `out1`, ...
   * @returns one thunk per input that can have a gradient
   */
  thunks: (dy: Tensor, saved: TensorMap, attrs: Attrs) => Record<string, () => Tensor>;
}

export interface FusedOp {
  kernelName: string;
  /** An input that may be absent and is saved when present; the op then has a second kernel name, `Name+input`. */
  optionalInput?: string;
  /** The definition, in plain tfjs operations. */
  composite: (inputs: TensorMap, attrs: Attrs) => Tensor[];
  gradient?: FusedGradient;
}

const fusedOps = new Map<string, FusedOp>();
/** `backend/kernel` of the native kernels. */
const natives = new Set<string>();
/** Kernel name -> for each saved tensor, the inputs whose gradient needs it. Read by the tape. */
const savedUse = new Map<string, readonly (readonly string[])[]>([
  ['BatchMatMul', [['b'], ['a']]],
  ['Multiply', [['b'], ['a']]],
  // Stock gradients that save an input and read its shape alone, which a freed tensor still has.
  ['Add', [[], []]],
  ['Sub', [[], []]],
  ['Reshape', [[]]],
  ['ExpandDims', [[]]],
]);

/** For each saved tensor of a kernel, in order, the inputs whose gradient reads it; undefined: unknown, keep all. */
export function savedTensorUse(kernelName: string): readonly (readonly string[])[] | undefined {
  return savedUse.get(kernelName);
}

/** Whether outputs after the first carry no gradient (true for every fused op). */
export function isFused(kernelName: string): boolean {
  return fusedOps.has(kernelName.split('+')[0]!);
}

/** Declares a fused op: its gradient is registered at once, its kernels by `registerFusedKernels`. */
export function defineFusedOp(op: FusedOp): FusedOp {
  fusedOps.set(op.kernelName, op);
  for (const optional of op.optionalInput === undefined ? [null] : [null, op.optionalInput]) {
    if (op.gradient) registerFusedGradient(op, op.gradient, optional);
  }
  return op;
}

function registerFusedGradient(op: FusedOp, gradient: FusedGradient, optional: string | null): void {
  const kernelName = optional === null ? op.kernelName : `${op.kernelName}+${optional}`;
  const isPresent = (name: string) => name !== op.optionalInput || optional !== null;
  const inputUse = Object.entries(gradient.savedInputs ?? {}).filter(([name]) => isPresent(name));
  const outputUse = Object.entries(gradient.savedOutputs ?? {});
  const outputsToSave: boolean[] = [];
  for (const [position] of outputUse) outputsToSave[Number(position)] = true;
  const names = [...inputUse.map(([name]) => name), ...outputUse.map(([position]) => `out${position}`)];
  savedUse.set(
    kernelName,
    [...inputUse, ...outputUse].map(([, use]) => use),
  );
  tf.registerGradient({
    kernelName,
    inputsToSave: inputUse.map(([name]) => name),
    outputsToSave: Array.from(outputsToSave, (save) => save === true),
    gradFunc: (dys, saved, attrs) => {
      const byName: Record<string, Tensor> = {};
      names.forEach((name, i) => {
        byName[name] = saved[i]!;
      });
      return gradient.thunks(Array.isArray(dys) ? dys[0]! : dys, byName, attrs as Attrs);
    },
  });
}

/**
 * Registers every fused op on a backend: the native kernel where there is one, else the composite.
 * @param overrides kernel name -> native kernel
 * @param wrap what becomes of a composite before it is registered
 * @throws E_KERNEL when an override names no fused op
 */
export function registerFusedKernels(
  backendName: string,
  overrides: Readonly<Record<string, KernelFunc>>,
  wrap: (kernelName: string, composite: KernelFunc) => KernelFunc = (_, composite) => composite,
): void {
  for (const name of Object.keys(overrides)) {
    if (!fusedOps.has(name)) {
      throw new TristageError({
        kind: 'environment',
        code: 'E_KERNEL',
        message: `Backend '${backendName}' offers a fused kernel that no op declares`,
        found: name,
        expected: [...fusedOps.keys()].join(', '),
      });
    }
  }
  for (const op of fusedOps.values()) {
    if (overrides[op.kernelName] === undefined) natives.delete(`${backendName}/${op.kernelName}`);
    else natives.add(`${backendName}/${op.kernelName}`);
    const kernelFunc = overrides[op.kernelName] ?? wrap(op.kernelName, compositeKernel(op));
    const names = [op.kernelName];
    if (op.optionalInput !== undefined) names.push(`${op.kernelName}+${op.optionalInput}`);
    for (const kernelName of names) {
      if (tf.getKernel(kernelName, backendName)) tf.unregisterKernel(kernelName, backendName);
      tf.registerKernel({ kernelName, backendName, kernelFunc });
    }
  }
}

/** Whether the current backend computes this op by a kernel of its own. */
export function isNative(kernelName: string): boolean {
  return natives.has(`${tf.getBackend()}/${kernelName}`);
}

/** The composite of an op as a kernel function; its intermediate tensors are freed when it returns. */
export function compositeKernel(op: FusedOp): KernelFunc {
  return ({ inputs, attrs }) => tf.tidy(() => op.composite(inputs as TensorMap, (attrs ?? {}) as Attrs));
}

/** All declared fused ops, for tests that hold kernels against composites. */
export function declaredFusedOps(): readonly FusedOp[] {
  return [...fusedOps.values()];
}

/**
 * Runs a fused op on the current backend and records it on the tape.
 * @param inputs an absent optional input is `undefined`
 * @returns all outputs; the caller disposes them
 * @throws E_KERNEL when the backend has no such kernel
 */
export function runFused(
  kernelName: string,
  inputs: Readonly<Record<string, Tensor | undefined>>,
  attrs: Attrs = {},
): [Tensor, ...Tensor[]] {
  const present: NamedTensorMap = {};
  let name = kernelName;
  for (const [key, tensor] of Object.entries(inputs)) {
    if (tensor === undefined) continue;
    present[key] = tensor;
    if (key === fusedOps.get(kernelName)?.optionalInput) name = `${kernelName}+${key}`;
  }
  const backendName = tf.getBackend();
  if (!tf.getKernel(name, backendName)) {
    throw new TristageError({
      kind: 'environment',
      code: 'E_KERNEL',
      message: `Backend '${backendName}' has no kernel '${name}'`,
      fix: 'open an engine with openEngine(), which registers the fused kernels',
    });
  }
  const result = tf.engine().runKernel(name, present, attrs as NamedAttrMap) as Tensor | [Tensor, ...Tensor[]];
  return Array.isArray(result) ? result : [result];
}

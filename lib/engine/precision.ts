/**
 * Number formats of weights on the engine. tfjs knows float32 alone; bfloat16 is a physical format inside an engine, behind tensors
 * that are float32 for everybody else.
 */

/** `float32`: everything. `bf16`: frozen matrices lie in bfloat16, and on a GPU the torch engine computes in it. */
export type Precision = 'float32' | 'bf16';

/** Bytes of one element in each format. */
export const ELEMENT_BYTES: Readonly<Record<Precision, number>> = { float32: 4, bf16: 2 };

/**
 * The format in which a weight lies on the engine. Frozen matrices take the precision; weights that train stay float32, and so does what
 * is added or multiplied element by element (vectors, and tables whose first side is 1): a thousandth of a model at most.
 */
export function storedIn(weight: { precision: Precision; shape: readonly number[]; frozen: boolean }): Precision {
  const { precision, shape, frozen } = weight;
  const isMatrix = shape.length >= 2 && shape[0] !== 1;
  return frozen && isMatrix ? precision : 'float32';
}

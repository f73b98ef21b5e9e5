/**
 * Number formats of weights on the engine. tfjs knows float32 alone; bfloat16 is a physical format inside an engine, behind tensors
 * that are float32 for everybody else.
 */

/** `float32`: everything. `bf16`: frozen matrices lie in bfloat16, and on a GPU the torch engine computes in it. */
export type Precision = 'float32' | 'bf16';

/** Bytes of one element in each format. */
export const ELEMENT_BYTES: Readonly<Record<Precision, number>> = { float32: 4, bf16: 2 };

/**
 * The format in which a weight lies on the engine. Weights that train stay float32, and so do vectors: norms and biases are a
 * ten-thousandth of a model, and an update of a rounded bias would be lost before it counts.
 * @param weight `frozen`: whether neither this run nor, of the part of the model it belongs to, an adapter's trains it
 */
export function storedIn(weight: { precision: Precision; shape: readonly number[]; frozen: boolean }): Precision {
  const { precision, shape, frozen } = weight;
  return frozen && shape.length >= 2 ? precision : 'float32';
}

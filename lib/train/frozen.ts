/** Weights that must not train stay as they are to the last bit: fingerprints before and after a stage say whether they did. */

import { TristageError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { type Tensor, tf } from '../engine/tf.ts';
import type { ParamStore } from '../model/store.ts';

/** Values that are read of one weight; of larger weights an even selection, which an optimizer's update could not avoid. */
const MOST_VALUES = 1 << 18;

/** Fingerprints of the frozen weights by name. */
export type FrozenPrint = ReadonlyMap<string, string>;

/** Reads the frozen weights of a model: small ones whole, large ones at evenly spaced places. */
export async function printFrozen(store: ParamStore): Promise<FrozenPrint> {
  const prints = new Map<string, string>();
  for (const [name, tensor] of store) {
    if (tensor instanceof tf.Variable) continue;
    prints.set(name, await printOf(tensor));
  }
  return prints;
}

async function printOf(tensor: Tensor): Promise<string> {
  const values = tensor.size <= MOST_VALUES ? await tensor.data() : await selection(tensor);
  return sha256(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}

async function selection(tensor: Tensor) {
  const stride = Math.ceil(tensor.size / MOST_VALUES);
  const places = Int32Array.from({ length: Math.ceil(tensor.size / stride) }, (_, i) => i * stride);
  const chosen = tf.tidy(() => tf.gather(tf.reshape(tensor, [-1]), tf.tensor1d(places, 'int32')));
  try {
    return await chosen.data();
  } finally {
    chosen.dispose();
  }
}

/**
 * Compares the frozen weights of a model with what they were.
 * @throws TristageError E_FROZEN naming the weights that changed
 */
export async function checkFrozen(store: ParamStore, before: FrozenPrint): Promise<void> {
  const after = await printFrozen(store);
  const changed = [...before].filter(([name, print]) => after.get(name) !== print).map(([name]) => name);
  if (changed.length === 0) return;
  throw new TristageError({
    kind: 'failure',
    code: 'E_FROZEN',
    message: 'weights that should stay as they are have changed',
    where: changed.slice(0, 3).join(', '),
    found: `${changed.length} of ${before.size} frozen weights differ`,
    expected: 'the same bytes as before the first step',
    fix: 'do not use this run; report the engine and the run file as a bug',
  });
}

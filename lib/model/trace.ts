/** Named intermediates, on request: how parity and debugging look inside a forward. */
import type { Tensor } from '../engine/tf.ts';

/**
 * Called with each intermediate while it is alive. A receiver that wants to hold it keeps a clone:
 * the forward frees its own.
 */
export type Trace = (name: string, tensor: Tensor) => void;

/** Doing something again, in smaller parts, until it fits the memory. */

import { TristageError } from '../core/errors.ts';
import { asOutOfMemory } from '../engine/out-of-memory.ts';

/** Passes get smaller for want of memory. */
export interface SmallerPasses {
  /** Index of the update. */
  index: number;
  from: number;
  to: number;
  /** What the engine said. */
  why: string;
}

/**
 * Tries until it fits. A step that ran out of memory has changed nothing: its gradients are gone, and its masks depend on its number.
 * @param shrink makes the next attempt smaller, or throws
 */
export async function fitting<T>(
  attempt: () => Promise<T>,
  shrink: (error: TristageError) => Promise<void>,
): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const memory = asOutOfMemory(error);
      if (memory === undefined) throw error;
      await shrink(memory);
    }
  }
}

/** Nothing is left to cut. */
export function noRoom(error: TristageError, said: { where: string; expected: string; fix: string }): TristageError {
  return new TristageError({
    kind: 'resources',
    code: 'E_MEMORY',
    message: 'a step does not fit the memory, and its passes cannot be smaller',
    found: error.found ?? error.message,
    cause: error,
    ...said,
  });
}

/** Garbage collection at a moment that the program chooses. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Frees what nothing refers to any more. V8 hardly counts the memory of large typed arrays, so that host copies of weights stay for
 * minutes after they were handed to the engine: up to the largest weight of the model.
 */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
}

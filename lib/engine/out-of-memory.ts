/** Failures of an engine for want of memory, and a limit that makes them come before the machine's own. */
import { TristageError } from '../core/errors.ts';
import { tf } from './tf.ts';

/** What libtorch, TensorFlow and V8 say. */
const WORDS =
  /can't allocate memory|not enough memory|out of memory|OOM when allocating|ResourceExhausted|resource exhausted|Array buffer allocation failed|bad_alloc/i;

/** The failure as E_MEMORY, or undefined where it is another one. */
export function asOutOfMemory(error: unknown): TristageError | undefined {
  if (error instanceof TristageError) return error.code === 'E_MEMORY' ? error : undefined;
  const found = error instanceof Error ? error.message : String(error);
  if (!WORDS.test(found)) return undefined;
  return new TristageError({ kind: 'resources', code: 'E_MEMORY', message: 'out of memory', found, cause: error });
}

/**
 * Lets operators fail with E_MEMORY that would take more for tensors in main memory; an engine that cannot do so ignores it.
 * @param bytes 0: no limit but the machine's
 */
export async function limitTensors(bytes: number): Promise<void> {
  if (tf.getBackend() !== 'torch') return;
  const { native } = await import('./torch/binding.ts');
  native().limitMemory(bytes);
}

/** Bytes of the tensors that are alive now. */
export function tensorBytes(): number {
  const memory = tf.backend().memory() as { nativeBytes?: number };
  return memory.nativeBytes ?? tf.memory().numBytes;
}

/** Counters of live tensors, as tfjs sees them on every engine. */
import { tf } from './tf.ts';

export interface LiveTensors {
  tensors: number;
  /** Bytes by logical shape and dtype; tensors that share data count once each. */
  bytes: number;
}

/** Tensors alive now. */
export function liveTensors(): LiveTensors {
  const { numTensors, numBytes } = tf.engine().state;
  return { tensors: numTensors, bytes: numBytes };
}

/**
 * Runs `f` and reports the most tensors that were alive at any moment of it.
 * @returns the result of `f` and the peaks, in addition to what was alive before
 */
export function measurePeak<T>(f: () => T): { result: T; peak: LiveTensors } {
  const start = liveTensors();
  const peak = { tensors: 0, bytes: 0 };
  const { state } = tf.engine();
  const restore = [
    watch(state, 'numTensors', (value) => {
      peak.tensors = Math.max(peak.tensors, value - start.tensors);
    }),
    watch(state, 'numBytes', (value) => {
      peak.bytes = Math.max(peak.bytes, value - start.bytes);
    }),
  ];
  try {
    return { result: f(), peak };
  } finally {
    for (const undo of restore) undo();
  }
}

/** Replaces a counter by an accessor that reports each change; returns the function that puts it back. */
function watch<F extends string>(state: Record<F, number>, field: F, seen: (value: number) => void): () => void {
  let current: number = state[field];
  Object.defineProperty(state, field, {
    configurable: true,
    enumerable: true,
    get: () => current,
    set: (value: number) => {
      current = value;
      seen(value);
    },
  });
  return () => {
    Object.defineProperty(state, field, { configurable: true, enumerable: true, writable: true, value: current });
  };
}

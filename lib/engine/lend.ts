/**
 * Memory for values that are read now and go to the engine next. Where the engine computes on the CPU it is the memory of the tensor to be,
 * so that a file is read straight into it; elsewhere it is an ordinary array.
 */
import { tf } from './tf.ts';

/** Gives so many bytes that no one has touched. */
export type Lender = (bytes: number) => ArrayBuffer;

const lenders = new Map<string, Lender>();

/** Says how a backend lends memory. */
export function registerLender(backendName: string, lender: Lender): void {
  lenders.set(backendName, lender);
}

/** Below this a copy costs less than the loan. */
const WORTH_LENDING = 1 << 20;

/**
 * Memory of exactly this size, aligned for every dtype. A tensor that is made of an array over all of it takes it over without a copy, and
 * the array is empty from then on.
 */
export function lendBytes(length: number): Uint8Array<ArrayBuffer> {
  const lender = length < WORTH_LENDING ? undefined : lenders.get(tf.getBackend());
  return lender === undefined ? new Uint8Array(length) : new Uint8Array(lender(length));
}

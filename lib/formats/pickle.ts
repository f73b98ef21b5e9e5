/**
 * A restricted reader of Python pickles (protocols 0 to 4): it builds plain values only. A pickle names the functions that it
 * wants called; here a name is looked up in a table that the caller gives, and any other name is an error. Nothing is executed.
 *
 * None -> null, int -> number (bigint beyond 2^53), str -> string, bytes -> Uint8Array, list and tuple -> array, dict -> Map,
 * set -> Set. Opcode meanings: Python's pickletools.
 */

import { type Machine, OPERATIONS, type PickleLimits, pop, type UnpickleOptions } from './pickle-machine.ts';
import { createPickleReader } from './pickle-reader.ts';

export { isPickleGlobal, type PickleGlobal, type PickleLimits, type UnpickleOptions } from './pickle-machine.ts';

/** Limits for checkpoints; real ones stay an order of magnitude below. */
export const PICKLE_LIMITS: PickleLimits = { bytes: 16 << 20, operations: 4_000_000, objects: 1_000_000 };

const STOP = 0x2e;

/**
 * Reads one pickle.
 * @returns the value and the offset behind the pickle
 * @throws TristageError E_PICKLE for a malformed pickle or one beyond the limits, E_PICKLE_GLOBAL for a name off the whitelist
 */
export function unpickle(bytes: Uint8Array, options: UnpickleOptions): { value: unknown; end: number } {
  const reader = createPickleReader(bytes, { where: options.where, start: options.start ?? 0 });
  const machine: Machine = { reader, options, stack: [], memo: new Map(), madeBy: new WeakMap(), objects: 0 };
  const limits = options.limits ?? PICKLE_LIMITS;
  const end = reader.position() + limits.bytes;
  for (let count = 0; ; count++) {
    const at = reader.position();
    const code = reader.byte();
    if (count > limits.operations || machine.objects > limits.objects || at > end) {
      throw reader.error('the pickle is too large', {
        found: `offset ${at}, ${machine.objects} objects`,
        expected: 'less',
      });
    }
    if (code === STOP) break;
    const operation = OPERATIONS.get(code);
    if (operation === undefined) {
      const found = `opcode 0x${code.toString(16).padStart(2, '0')} at offset ${at}`;
      throw reader.error('an opcode is unknown or not allowed', { found, expected: 'an opcode of plain data' });
    }
    operation(machine);
  }
  const value = pop(machine);
  if (machine.stack.length > 0)
    throw reader.error('values are left over', { found: `${machine.stack.length}`, expected: 'none' });
  return { value, end: reader.position() };
}

/**
 * A restricted reader of Python pickles (protocols 0 to 4): it builds plain values only. A pickle names the functions that it
 * wants called; here a name is looked up in a table that the caller gives, and any other name is an error. Nothing is executed.
 *
 * None -> null, int -> number (bigint beyond 2^53), str -> string, bytes -> Uint8Array, list and tuple -> array, dict -> Map,
 * set -> Set. Opcode meanings: Python's pickletools.
 */

import { type Machine, OPERATIONS, pop } from './pickle-machine.ts';
import { createPickleReader } from './pickle-reader.ts';

export { isPickleGlobal } from './pickle-machine.ts';

/** What a pickle may call for one global name. */
export interface PickleGlobal {
  /** `module.name`, for messages. */
  readonly name: string;
  /** Called by REDUCE or NEWOBJ with the positional arguments. Absent: the global is only a value, such as a dtype. */
  readonly call?: (args: readonly unknown[]) => unknown;
  /** Called by BUILD on an object that `call` made. Absent: BUILD is refused. */
  readonly setState?: (object: unknown, state: unknown) => void;
}

export interface UnpickleOptions {
  /** File or entry, for messages. */
  where: string;
  /** The whitelist, by `module.name`. */
  globals: ReadonlyMap<string, PickleGlobal>;
  /** Resolves persistent ids; absent, they are refused. */
  persistentLoad?: (id: unknown) => unknown;
  /** How the bytes of Python 2 `str` become text. Default latin1, which keeps every byte. */
  byteStrings?: 'latin1' | 'utf-8';
  /** Offset at which the pickle begins. Default 0. */
  start?: number;
  /** Default {@link PICKLE_LIMITS}. */
  limits?: PickleLimits;
}

/** What a pickle may cost before it is refused. */
export interface PickleLimits {
  readonly bytes: number;
  readonly operations: number;
  /** Values with memory of their own: texts, containers, results of calls, each item that a call copies. */
  readonly objects: number;
}

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

/** The stack machine of pickle: its state, its rules, and what each allowed opcode does. */

import { TristageError } from '../core/errors.ts';
import type { PickleReader } from './pickle-reader.ts';

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
  /** Default: those for checkpoints. */
  limits?: PickleLimits;
}

/** What a pickle may cost before it is refused. */
export interface PickleLimits {
  readonly bytes: number;
  readonly operations: number;
  /** Values with memory of their own: texts, containers, results of calls, each item that a call copies. */
  readonly objects: number;
}

const MARK = Symbol('mark');

/** The state of the stack machine. */
export interface Machine {
  readonly reader: PickleReader;
  readonly options: UnpickleOptions;
  readonly stack: unknown[];
  readonly memo: Map<number, unknown>;
  /** Objects made by a global's `call`, for BUILD. */
  readonly madeBy: WeakMap<object, PickleGlobal>;
  objects: number;
}

type Operation = (machine: Machine) => void;

/** True for a value that a pickle took from the whitelist. */
export function isPickleGlobal(value: unknown): value is PickleGlobal {
  return typeof value === 'object' && value !== null && GLOBALS_SEEN.has(value);
}

const GLOBALS_SEEN = new WeakSet<object>();

function push(machine: Machine, value: unknown): void {
  machine.stack.push(value);
}

/** Pushes a value that takes memory of its own. */
function pushNew(machine: Machine, value: unknown): void {
  machine.objects++;
  machine.stack.push(value);
}

/** Takes the top value. */
export function pop(machine: Machine): unknown {
  const value = machine.stack.pop();
  if (value === undefined || value === MARK) throw stackError(machine, 'a value');
  return value;
}

function top(machine: Machine): unknown {
  const value = machine.stack.at(-1);
  if (value === undefined || value === MARK) throw stackError(machine, 'a value');
  return value;
}

function stackError(machine: Machine, expected: string): TristageError {
  return machine.reader.error('the stack does not hold what an opcode needs', {
    found: `something else before offset ${machine.reader.position()}`,
    expected,
  });
}

function popToMark(machine: Machine): unknown[] {
  const at = machine.stack.lastIndexOf(MARK);
  if (at < 0) throw stackError(machine, 'a mark');
  const values = machine.stack.splice(at);
  values.shift();
  return values;
}

function setItems(machine: Machine, values: readonly unknown[]): void {
  const target = top(machine);
  if (!(target instanceof Map) || values.length % 2 !== 0) throw stackError(machine, 'a dict and pairs');
  for (let i = 0; i < values.length; i += 2) {
    const key = values[i];
    if (typeof key === 'object' && key !== null && !isTuple(key) && !isPickleGlobal(key)) {
      throw stackError(machine, 'keys of dicts that are texts, numbers, tuples or globals');
    }
    target.set(key, values[i + 1]);
  }
}

function append(machine: Machine, values: readonly unknown[]): void {
  const target = top(machine);
  if (!Array.isArray(target) || isTuple(target)) throw stackError(machine, 'a list');
  for (const value of values) target.push(value);
}

function remember(machine: Machine, index: number): void {
  machine.memo.set(index, top(machine));
  machine.objects++;
}

function recall(machine: Machine, index: number): void {
  if (!machine.memo.has(index)) throw stackError(machine, `memo entry ${index}`);
  push(machine, machine.memo.get(index));
}

function findGlobal(machine: Machine, module: string, name: string): void {
  const full = `${module}.${name}`;
  const global = machine.options.globals.get(full);
  if (global === undefined) {
    throw new TristageError({
      kind: 'checkpoint',
      code: 'E_PICKLE_GLOBAL',
      message: 'the pickle asks for a Python name that is not allowed',
      where: machine.options.where,
      found: full.length > 200 ? `${full.slice(0, 200)}...` : full,
      expected: 'plain data and tensors only',
      fix: 'save the weights alone (a dict of tensors), best as safetensors; do not load this file in Python unless you trust it',
    });
  }
  GLOBALS_SEEN.add(global);
  push(machine, global);
}

function reduce(machine: Machine): void {
  const args = pop(machine);
  const callee = pop(machine);
  if (!Array.isArray(args) || !isPickleGlobal(callee)) throw stackError(machine, 'a global and a tuple of arguments');
  if (callee.call === undefined) {
    throw machine.reader.error('a global is called that is only a value', { found: callee.name, expected: 'no call' });
  }
  const made = callee.call(args);
  if (typeof made === 'object' && made !== null) machine.madeBy.set(made, callee);
  // A call copies what a few opcodes name again and again; without counting it, a small pickle could ask for endless work.
  machine.objects += copiedItems(made);
  pushNew(machine, made);
}

function copiedItems(made: unknown): number {
  if (made instanceof Map || made instanceof Set) return made.size;
  return made instanceof Uint8Array ? Math.ceil(made.byteLength / 16) : 0;
}

function build(machine: Machine): void {
  const state = pop(machine);
  const target = top(machine);
  const maker = typeof target === 'object' && target !== null ? machine.madeBy.get(target) : undefined;
  if (maker?.setState === undefined) {
    throw machine.reader.error('an object is given a state that it cannot have', {
      found: `state for ${maker?.name ?? 'a plain value'}`,
      expected: 'state for allowed objects only',
    });
  }
  maker.setState(target, state);
}

function persistent(machine: Machine, id: unknown): void {
  if (machine.options.persistentLoad === undefined) {
    throw machine.reader.error('the pickle refers to data outside it', { found: 'a persistent id', expected: 'none' });
  }
  pushNew(machine, machine.options.persistentLoad(id));
}

/** Tuples are frozen arrays, which tells them from lists. */
function isTuple(value: unknown): boolean {
  return Array.isArray(value) && Object.isFrozen(value);
}

function tuple(machine: Machine, values: unknown[]): void {
  pushNew(machine, Object.freeze(values));
}

function popped(machine: Machine, count: number): unknown[] {
  const values = Array.from({ length: count }, () => pop(machine));
  return values.reverse();
}

function addToSet(machine: Machine): void {
  const values = popToMark(machine);
  const target = top(machine);
  if (!(target instanceof Set)) throw stackError(machine, 'a set');
  for (const value of values) target.add(value);
}

function pairsToMap(machine: Machine): void {
  const values = popToMark(machine);
  pushNew(machine, new Map());
  setItems(machine, values);
}

function stackGlobal(machine: Machine): void {
  const [module, name] = popped(machine, 2);
  if (typeof module !== 'string' || typeof name !== 'string') throw stackError(machine, 'two texts');
  findGlobal(machine, module, name);
}

function popAny(machine: Machine): void {
  if (machine.stack.length === 0) throw stackError(machine, 'a value');
  machine.stack.pop();
}

function text(machine: Machine, bytes: Uint8Array): void {
  pushNew(machine, machine.reader.decode(bytes, 'utf-8'));
}

/** The 8-bit strings of Python 2. */
function oldText(machine: Machine, bytes: Uint8Array): void {
  pushNew(machine, machine.reader.decode(bytes, machine.options.byteStrings ?? 'latin1'));
}

/** By opcode; an opcode that is absent is refused. */
export const OPERATIONS: ReadonlyMap<number, Operation> = new Map<number, Operation>([
  // marks, stack, memo
  [0x28, (m) => push(m, MARK)], // (
  [0x30, popAny], // 0
  [0x31, (m) => void popToMark(m)], // 1
  [0x32, (m) => push(m, top(m))], // 2
  [0x70, (m) => remember(m, m.reader.decimalLine())], // p
  [0x71, (m) => remember(m, m.reader.unsigned(1))], // q
  [0x72, (m) => remember(m, m.reader.unsigned(4))], // r
  [0x94, (m) => remember(m, m.memo.size)], // MEMOIZE
  [0x67, (m) => recall(m, m.reader.decimalLine())], // g
  [0x68, (m) => recall(m, m.reader.unsigned(1))], // h
  [0x6a, (m) => recall(m, m.reader.unsigned(4))], // j
  [0x80, (m) => m.reader.protocol()], // PROTO
  [0x95, (m) => m.reader.frame()], // FRAME
  // constants and numbers
  [0x4e, (m) => push(m, null)], // N
  [0x88, (m) => push(m, true)],
  [0x89, (m) => push(m, false)],
  [0x49, (m) => push(m, m.reader.integerLine())], // I
  [0x4c, (m) => push(m, m.reader.integerLine())], // L
  [0x4a, (m) => push(m, m.reader.int32())], // J
  [0x4b, (m) => push(m, m.reader.unsigned(1))], // K
  [0x4d, (m) => push(m, m.reader.unsigned(2))], // M
  [0x8a, (m) => push(m, m.reader.long(m.reader.unsigned(1)))], // LONG1
  [0x8b, (m) => push(m, m.reader.long(m.reader.unsigned(4)))], // LONG4
  [0x46, (m) => push(m, m.reader.floatLine())], // F
  [0x47, (m) => push(m, m.reader.float64())], // G
  // texts and bytes
  [0x53, (m) => oldText(m, m.reader.quotedLine())], // S
  [0x54, (m) => oldText(m, m.reader.sized(4))], // T
  [0x55, (m) => oldText(m, m.reader.sized(1))], // U
  [0x56, (m) => pushNew(m, m.reader.unicodeLine())], // V
  [0x58, (m) => text(m, m.reader.sized(4))], // X
  [0x8c, (m) => text(m, m.reader.sized(1))], // SHORT_BINUNICODE
  [0x8d, (m) => text(m, m.reader.sized(8))], // BINUNICODE8
  [0x42, (m) => pushNew(m, new Uint8Array(m.reader.sized(4)))], // B
  [0x43, (m) => pushNew(m, new Uint8Array(m.reader.sized(1)))], // C
  [0x8e, (m) => pushNew(m, new Uint8Array(m.reader.sized(8)))], // BINBYTES8
  // containers
  [0x5d, (m) => pushNew(m, [])], // ]
  [0x6c, (m) => pushNew(m, popToMark(m))], // l
  [0x61, (m) => append(m, popped(m, 1))], // a
  [0x65, (m) => append(m, popToMark(m))], // e
  [0x29, (m) => tuple(m, [])], // )
  [0x74, (m) => tuple(m, popToMark(m))], // t
  [0x85, (m) => tuple(m, popped(m, 1))],
  [0x86, (m) => tuple(m, popped(m, 2))],
  [0x87, (m) => tuple(m, popped(m, 3))],
  [0x7d, (m) => pushNew(m, new Map())], // }
  [0x64, pairsToMap], // d
  [0x73, (m) => setItems(m, popped(m, 2))], // s
  [0x75, (m) => setItems(m, popToMark(m))], // u
  [0x8f, (m) => pushNew(m, new Set())], // EMPTY_SET
  [0x90, addToSet], // ADDITEMS
  [0x91, (m) => pushNew(m, new Set(popToMark(m)))], // FROZENSET
  // what names Python code
  [0x63, (m) => findGlobal(m, m.reader.line(), m.reader.line())], // c
  [0x93, stackGlobal],
  [0x52, reduce], // R
  [0x81, reduce], // NEWOBJ
  [0x62, build], // b
  [0x50, (m) => persistent(m, m.reader.line())], // P
  [0x51, (m) => persistent(m, pop(m))], // Q
]);

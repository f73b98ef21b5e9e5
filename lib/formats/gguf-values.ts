/** The values in the head of a GGUF file: numbers, texts and lists of them, in the types that the format numbers 0 to 12. */

import type { GgufCursor } from './gguf-cursor.ts';

/** A value of the metadata; 64-bit integers stay exact as bigint where they leave 2^53. Lists of numbers are number arrays. */
export type GgufValue = number | bigint | boolean | string | readonly GgufValue[];

const LONGEST_TEXT = 16 << 20;
/** All items of all lists; a vocabulary of 256 thousand pieces with scores, types and merges has about a million. */
const MOST_ITEMS = 4_000_000;
const DEEPEST = 4;

const TEXT = 8;
const LIST = 9;

interface Scalar {
  readonly bytes: number;
  readonly get: (view: DataView, at: number) => number | bigint | boolean | undefined;
}

/** @returns the bigint as a number where that is exact */
const exact = (value: bigint): number | bigint =>
  value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;

const SCALARS: Readonly<Partial<Record<number, Scalar>>> = {
  0: { bytes: 1, get: (view, at) => view.getUint8(at) },
  1: { bytes: 1, get: (view, at) => view.getInt8(at) },
  2: { bytes: 2, get: (view, at) => view.getUint16(at, true) },
  3: { bytes: 2, get: (view, at) => view.getInt16(at, true) },
  4: { bytes: 4, get: (view, at) => view.getUint32(at, true) },
  5: { bytes: 4, get: (view, at) => view.getInt32(at, true) },
  6: { bytes: 4, get: (view, at) => view.getFloat32(at, true) },
  7: { bytes: 1, get: (view, at) => [false, true][view.getUint8(at)] },
  10: { bytes: 8, get: (view, at) => exact(view.getBigUint64(at, true)) },
  11: { bytes: 8, get: (view, at) => exact(view.getBigInt64(at, true)) },
  12: { bytes: 8, get: (view, at) => view.getFloat64(at, true) },
};

/** Items that the lists of one file may still have. */
export interface ItemBudget {
  left: number;
}

/** The budget of a file. */
export function itemBudget(): ItemBudget {
  return { left: MOST_ITEMS };
}

/**
 * Reads a type and a value of that type.
 * @throws TristageError E_GGUF for an unknown type, a length beyond the file or the limits, a truth value that is neither 0 nor 1
 */
export async function ggufValue(cursor: GgufCursor, budget: ItemBudget): Promise<GgufValue> {
  return await readTyped(cursor, { type: await cursor.u32(), depth: 0, budget });
}

interface Place {
  type: number;
  depth: number;
  budget: ItemBudget;
}

async function readTyped(cursor: GgufCursor, { type, depth, budget }: Place): Promise<GgufValue> {
  if (type === TEXT) return await cursor.text('a text', LONGEST_TEXT);
  if (type === LIST) return await listOf(cursor, { depth: depth + 1, budget });
  const scalar = SCALARS[type];
  if (scalar === undefined) throw cursor.wrong('a value is of an unknown type', `type ${type}`, '0 to 12');
  return scalarOf(cursor, scalar, { view: await cursor.bytes(scalar.bytes), at: 0 });
}

function scalarOf(cursor: GgufCursor, scalar: Scalar, { view, at }: { view: DataView; at: number }): GgufValue {
  const value = scalar.get(view, at);
  if (value === undefined) throw cursor.wrong('a truth value is not valid', `${view.getUint8(at)}`, '0 or 1');
  return value;
}

async function listOf(cursor: GgufCursor, { depth, budget }: Omit<Place, 'type'>): Promise<GgufValue> {
  if (depth > DEEPEST) throw cursor.wrong('lists are nested too deep', `level ${depth}`, `at most ${DEEPEST}`);
  const type = await cursor.u32();
  const length = await cursor.count('the length of a list', budget.left);
  budget.left -= length;
  const scalar = SCALARS[type];
  const items: GgufValue[] = [];
  if (scalar === undefined) {
    for (let i = 0; i < length; i++) items.push(await readTyped(cursor, { type, depth, budget }));
    return items;
  }
  // In pieces, so that a length beyond the end of the file is met before memory is taken for it
  for (let done = 0; done < length; ) {
    const piece = Math.min(length - done, 1 << 16);
    const view = await cursor.bytes(piece * scalar.bytes);
    for (let i = 0; i < piece; i++) items.push(scalarOf(cursor, scalar, { view, at: i * scalar.bytes }));
    done += piece;
  }
  return items;
}

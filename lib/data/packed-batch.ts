/** Packed rows, the mask that keeps their parts apart, and the batch that they become. */

import { TristageError } from '../core/errors.ts';
import { type Example, IGNORE, type ImageRef } from './sample.ts';

/** For each token of a row, what it belongs to. Groups and the parts of a group are contiguous. */
export interface Segments {
  /** int32[T]: number of the group within the row, from 0; PADDING_GROUP at padding. */
  readonly groups: Int32Array;
  /** int32[T]: 0 in the prefix that the whole group sees, from 1 in its branches. */
  readonly branches: Int32Array;
}

/** The group of padding. */
export const PADDING_GROUP = -1;
/** The owner of a place that belongs to several examples or to none. */
export const NO_OWNER = -1;

/** Some groups of examples in one row; all arrays have the length of the row. */
export interface PackedRow extends Segments {
  readonly tokenIds: Int32Array;
  readonly labels: Int32Array;
  /** The place of each token in its own example: counting restarts behind the prefix for each branch, and in each group. */
  readonly positions: Int32Array;
  /** u8[T], 0 where an example switches attention off. */
  readonly attention: Uint8Array;
  /** Index into `examples` of the one that a token belongs to; NO_OWNER in a prefix that several share, where nothing is supervised. */
  readonly owners: Int32Array;
  readonly examples: readonly Example[];
  /** Images in the order of their slots in the row. */
  readonly images: readonly ImageRef[];
}

/**
 * Which keys each query of a row sees: keys of its own group that are not behind it in time, and of these the prefix and its own branch.
 * @param segments of a row of T tokens
 * @returns u8[T, T], 1 at [query, key] where visible; padding sees padding, which no one reads
 */
export function blockMask({ groups, branches }: Segments): Uint8Array {
  const T = groups.length;
  const mask = new Uint8Array(T * T);
  let groupStart = 0;
  let branchStart = 0;
  let prefixEnd = 0;
  for (let query = 0; query < T; query++) {
    const newGroup = query === 0 || groups[query] !== groups[query - 1];
    if (newGroup) groupStart = query;
    if (newGroup || branches[query] !== branches[query - 1]) branchStart = query;
    if (newGroup) prefixEnd = query;
    if (branches[query] === 0) prefixEnd = query + 1;
    const row = query * T;
    mask.fill(1, row + groupStart, row + prefixEnd);
    mask.fill(1, row + branchStart, row + query + 1);
  }
  return mask;
}

/** Packed rows as one batch on the host; the model reads it as it stands, with `blocks` from groups and branches. */
export interface PackedBatch {
  /** int32[B, T] */
  readonly tokenIds: Int32Array;
  /** int32[B, T] */
  readonly labels: Int32Array;
  /** u8[B, T] */
  readonly attentionMask: Uint8Array;
  /** int32[B, T] */
  readonly positions: Int32Array;
  /** int32[B, T] each */
  readonly blocks: Segments;
  readonly shape: readonly [number, number];
  /** int32[B, T]: index into `examples`, or NO_OWNER. */
  readonly owners: Int32Array;
  readonly examples: readonly Example[];
  /** The images whose pixels the batch needs, in this order. */
  readonly images: readonly ImageRef[];
}

/**
 * Pads packed rows on the right to one length.
 * @param rows at least one
 * @param options `padId` fills token ids (nothing reads it); `length` at least that of the longest row, which is the default
 * @throws TristageError E_PACK for no rows, or a length below that of a row
 */
export function padPackedRows(
  rows: readonly PackedRow[],
  options: { padId?: number; length?: number } = {},
): PackedBatch {
  const longest = rows.reduce((most, { tokenIds }) => Math.max(most, tokenIds.length), 0);
  const { padId = 0, length = longest } = options;
  if (rows.length === 0) throw badPack('no rows', 'at least one');
  if (length < longest) throw badPack(`a row of ${longest} tokens`, `at most ${length}`);
  const joined = (pick: (row: PackedRow) => Int32Array, padding: number): Int32Array => {
    const values = new Int32Array(rows.length * length).fill(padding);
    for (const [index, row] of rows.entries()) values.set(pick(row), index * length);
    return values;
  };
  const attentionMask = new Uint8Array(rows.length * length);
  const owners = new Int32Array(rows.length * length).fill(NO_OWNER);
  let before = 0;
  for (const [index, row] of rows.entries()) {
    attentionMask.set(row.attention, index * length);
    owners.set(
      row.owners.map((owner) => (owner === NO_OWNER ? owner : owner + before)),
      index * length,
    );
    before += row.examples.length;
  }
  return {
    tokenIds: joined((row) => row.tokenIds, padId),
    labels: joined((row) => row.labels, IGNORE),
    attentionMask,
    positions: joined((row) => row.positions, 0),
    blocks: {
      groups: joined((row) => row.groups, PADDING_GROUP),
      branches: joined((row) => row.branches, 0),
    },
    shape: [rows.length, length],
    owners,
    examples: rows.flatMap((row) => row.examples),
    images: rows.flatMap((row) => row.images),
  };
}

/** The error of examples or rows that cannot be packed. */
export function badPack(found: string, expected: string, where?: string): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_PACK',
    message: 'examples cannot be packed',
    ...(where === undefined ? {} : { where }),
    found,
    expected,
  });
}

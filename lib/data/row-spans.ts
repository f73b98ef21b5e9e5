/** What stands where in a packed row. */

import type { PackedRow } from './packed-batch.ts';
import { type Example, IMAGE_SLOT } from './sample.ts';

/** Places of a row that belong together: the prefix of a group, or what one example has for itself. */
export interface RowSpan {
  /** Number of the group within the row, from 0. */
  readonly group: number;
  /** Whose it is; absent for the prefix that several share. */
  readonly example?: Example;
  readonly from: number;
  /** Behind the last. */
  readonly to: number;
}

/** The spans of a row in order; together they are the row. A group of one example has no prefix. */
export function rowSpans({ groups, branches, owners, examples }: PackedRow): RowSpan[] {
  const spans: RowSpan[] = [];
  for (let from = 0; from < groups.length; ) {
    let to = from + 1;
    while (to < groups.length && groups[to] === groups[from] && branches[to] === branches[from]) to++;
    const example = examples[owners[from] as number];
    spans.push({ group: groups[from] as number, from, to, ...(example === undefined ? {} : { example }) });
    from = to;
  }
  return spans;
}

/** A stretch of places of one kind: image features, text that is only read, text that is trained. */
export interface RowPart {
  readonly kind: 'image' | 'prompt' | 'supervised';
  readonly from: number;
  /** Behind the last. */
  readonly to: number;
}

/** The parts of a row in order; together they are the row. */
export function rowParts({ tokenIds, labels }: Pick<PackedRow, 'tokenIds' | 'labels'>): RowPart[] {
  const parts: RowPart[] = [];
  for (const [place, id] of tokenIds.entries()) {
    const read = id === IMAGE_SLOT ? 'image' : 'prompt';
    const kind = (labels[place] ?? -1) >= 0 ? 'supervised' : read;
    const last = parts.at(-1);
    if (last?.kind === kind) parts[parts.length - 1] = { ...last, to: place + 1 };
    else parts.push({ kind, from: place, to: place + 1 });
  }
  return parts;
}

/** Counts what a source could not use, by reason, with a few examples of each. */

/** Rows that were left out for one reason. */
export interface Rejection {
  reason: string;
  count: number;
  /** The first different ones: the row, or the image that it lacks, and what is wrong. */
  examples: string[];
}

export interface Rejections {
  reject(reason: string, where: string): void;
  /** In the order in which the reasons came up. */
  list(): Rejection[];
}

/** Examples that are kept of each reason. */
const EXAMPLES = 20;
/** A reason is a short phrase; a source that puts names into it would make a list without end. */
const MOST_REASONS = 64;
/** Examples that a note spells out. */
const NAMED = 3;

/** @param known what an earlier, interrupted scan counted */
export function createRejections(known: readonly Rejection[] = []): Rejections {
  const byReason = new Map(known.map((entry) => [entry.reason, { ...entry, examples: [...entry.examples] }]));
  return {
    reject(reason, where) {
      const own = byReason.has(reason) || byReason.size < MOST_REASONS ? reason : 'other reasons';
      const entry = byReason.get(own) ?? { reason: own, count: 0, examples: [] };
      entry.count += 1;
      // Rows of one image may all say the same.
      if (entry.examples.length < EXAMPLES && !entry.examples.includes(where)) entry.examples.push(where);
      byReason.set(own, entry);
    },
    list: () => [...byReason.values()],
  };
}

/** One sentence for each reason. */
export function rejectionNotes(rejections: readonly Rejection[]): string[] {
  return rejections.map(({ reason, count, examples }) => {
    const shown = examples.slice(0, NAMED).join(', ');
    const more = examples.length > NAMED ? ' and others' : '';
    return `${count} ${count === 1 ? 'row' : 'rows'} left out, ${reason}: ${shown}${more}`;
  });
}

/** Counts what the steps hold that an inspection reads. */

import type { LoadedBatch } from '../../data/loaded-batch.ts';
import type { InspectedLine, Inspection } from '../../report/inspect/inspection.ts';

export interface Tally {
  add(batch: LoadedBatch): void;
  /** What was drawn of each line. */
  lines(): InspectedLine['drawn'][];
  batch(): Inspection['batch'];
}

/**
 * Starts counting.
 * @param options lines of the mixture; room: most tokens of a packed row, where rows are packed; others are padded to the longest
 */
export function openTally({ lines, room }: { lines: number; room: number | undefined }): Tally {
  const drawn = Array.from({ length: lines }, () => ({
    samples: 0,
    tokens: 0,
    supervised: 0,
    tasks: new Map<string, number>(),
  }));
  const all = { rows: 0, samples: 0, tokens: 0, places: 0 };
  return {
    add({ packed, examples, shape }) {
      for (const { line = 0, task, tokenIds, labels } of examples) {
        const own = drawn[line];
        if (own === undefined) continue;
        own.samples += 1;
        own.tokens += tokenIds.length;
        own.supervised += labels.filter((label) => label >= 0).length;
        own.tasks.set(task, (own.tasks.get(task) ?? 0) + 1);
      }
      const rows = packed ?? examples;
      all.rows += rows.length;
      all.samples += examples.length;
      all.tokens += rows.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0);
      all.places += rows.length * (room ?? shape[1]);
    },
    lines: () => drawn.map(({ tasks, ...own }) => ({ ...own, tasks: Object.fromEntries(tasks) })),
    batch: () => ({ rows: all.rows, samples: all.samples, tokens: all.tokens, fill: all.tokens / all.places }),
  };
}

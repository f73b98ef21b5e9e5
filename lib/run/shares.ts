/** What the mixture of a run gave, beside what its rates plan. */

import type { Example } from '../data/sample.ts';
import type { RowLoss } from '../model/supervised.ts';
import type { DrawnShare, RunEvent } from '../report/events.ts';

/** A count of samples and of the supervised tokens in them. */
export interface SampleCount {
  samples: number;
  tokens: number;
}

/** One line of the mixture over all steps done. */
export interface MixtureShare extends SampleCount {
  source: string;
  /** As the line says; its samples may have others. */
  task: string;
  /** Tells it from other lines of the same source and task. */
  part?: string;
  /** Share of the samples that the rates plan, 0..1. */
  planned: number;
  /** Shares of all samples and of all supervised tokens, 0..1. */
  sampleShare: number;
  tokenShare: number;
  tasks: Readonly<Record<string, SampleCount>>;
}

/**
 * Counts a step.
 * @param examples of the global batch, each with its line
 * @param rows one for each example
 */
export function drawnBy(examples: readonly Example[], rows: readonly RowLoss[]): DrawnShare[] {
  const counts = new Map<string, DrawnShare>();
  for (const [place, { line = 0, task }] of examples.entries()) {
    const key = `${line} ${task}`;
    const { samples, tokens } = counts.get(key) ?? { samples: 0, tokens: 0 };
    counts.set(key, { line, task, samples: samples + 1, tokens: tokens + (rows[place]?.tokens ?? 0) });
  }
  return [...counts.values()];
}

/**
 * Adds up the steps of a run, all its parts included.
 * @param lines of the mixture with their planned shares
 * @param events of the run; steps that were left out count for nothing
 */
export function mixtureShares(
  lines: readonly { source: string; task: string; part?: string; share: number }[],
  events: readonly RunEvent[],
): MixtureShare[] {
  const tasks = lines.map(() => new Map<string, SampleCount>());
  for (const event of events) {
    for (const { line, task, samples, tokens } of event.event === 'step' ? (event.drawn ?? []) : []) {
      const before = tasks[line]?.get(task) ?? { samples: 0, tokens: 0 };
      tasks[line]?.set(task, { samples: before.samples + samples, tokens: before.tokens + tokens });
    }
  }
  const sums = tasks.map((own) => sumOf([...own.values()]));
  const all = sumOf(sums);
  return lines.map(({ source, task, part, share }, line) => {
    const { samples, tokens } = sums[line] as SampleCount;
    return {
      source,
      task,
      ...(part === undefined ? {} : { part }),
      planned: share,
      samples,
      tokens,
      sampleShare: samples / Math.max(1, all.samples),
      tokenShare: tokens / Math.max(1, all.tokens),
      tasks: Object.fromEntries([...(tasks[line] as Map<string, SampleCount>)].sort(([a], [b]) => (a < b ? -1 : 1))),
    };
  });
}

function sumOf(counts: readonly SampleCount[]): SampleCount {
  return counts.reduce(
    (sum, { samples, tokens }) => ({ samples: sum.samples + samples, tokens: sum.tokens + tokens }),
    {
      samples: 0,
      tokens: 0,
    },
  );
}

/** Planned and realised shares as lines for people. */
export function describeShares(shares: readonly MixtureShare[]): string[] {
  return shares.map(({ source, task, part, planned, samples, sampleShare, tokenShare, tasks }) => {
    const parts = Object.entries(tasks).map(([name, count]) => `${name} ${count.samples}`);
    const meant = [task, part].filter((word) => word !== undefined && word !== '').join(', ');
    return [
      `mixture: ${source}${meant === '' ? '' : ` (${meant})`}: planned ${percent(planned)} of the samples,`,
      `got ${percent(sampleShare)}, ${percent(tokenShare)} of the supervised tokens; ${samples} samples: ${parts.join(', ')}`,
    ].join(' ');
  });
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** A plan as lines for people; each part of it has a function of its own. */

import { formatDuration } from '../progress.ts';
import { memoryLines } from './memory-text.ts';
import { microBatchLines } from './micro-batch.ts';
import type { PlannedRun, SourcePlan } from './planned-run.ts';
import { size } from './size.ts';

/** All lines of a planned run. */
export function describeRun(run: Omit<PlannedRun, 'lines'>): string[] {
  return [
    ...parameterLines(run),
    ...totalLines(run),
    ...sourceLines(run),
    ...packingLines(run),
    ...microBatchLines(run, run.plan.globalBatch),
    ...memoryLines(run.memory),
    ...diskLines(run),
    ...durationLines(run),
  ];
}

function parameterLines({ plan }: Pick<PlannedRun, 'plan'>): string[] {
  const groups = Object.entries(plan.parameters).filter(([, values]) => values > 0);
  const named = groups.map(([group, values]) => `${group} ${grouped(values)}`).join(', ');
  return [`parameters: ${named}; ${grouped(plan.trainable)} train, ${grouped(plan.frozen)} stay as they are`];
}

function totalLines({ plan, totals }: Pick<PlannedRun, 'plan' | 'totals'>): string[] {
  const tokens = totals.tokens === 0 ? '' : `, about ${grouped(totals.tokens)} tokens`;
  const batch = `${grouped(plan.globalBatch)} samples`;
  return [
    `run: ${grouped(totals.steps)} steps of ${batch}, ${grouped(totals.samples)} samples, ${grouped(totals.images)} images${tokens}`,
  ];
}

function sourceLines({ sources = [] }: Pick<PlannedRun, 'sources'>): string[] {
  return sources.flatMap((source) => [
    `source ${source.source} (${[source.task, source.part].filter((word) => word !== undefined).join(', ')}): ${grouped(source.rows)} rows, ${percent(source.share)} of the samples,` +
      ` ${source.epochs.toFixed(2)} epochs, a sample comes at most ${times(source.repeats)}${capOf(source)}`,
    `  ${tokensOf(source)}${unusableOf(source)}`,
  ]);
}

function capOf({ cap }: SourcePlan): string {
  return cap === undefined ? '' : ` (cap ${cap})`;
}

function tokensOf({ tokens, looked, withImage }: SourcePlan): string {
  if (tokens === undefined) return `none of ${looked} samples looked at can be used`;
  const { mean, p95, longest, supervised, cut } = tokens;
  const parts = [
    `${mean.toFixed(1)} tokens on average, ${p95} at the 95th percentile, ${longest} at most`,
    `${supervised.toFixed(1)} of them supervised`,
    `${percent(withImage)} with an image`,
    ...(cut > 0 ? [`${percent(cut)} are cut`] : []),
  ];
  return `${parts.join(', ')} (${looked} samples looked at)`;
}

function unusableOf({ unusable, why }: SourcePlan): string {
  return unusable === 0 ? '' : `; ${unusable} cannot be used, the first: ${why}`;
}

function packingLines({ step, packedRow }: Pick<PlannedRun, 'step' | 'packedRow'>): string[] {
  if (step === undefined) return [];
  const { looked, rows, images, fill, shared } = step;
  const seen = `(${looked} steps looked at)`;
  if (packedRow === undefined) {
    return [`rows: ${rows.toFixed(1)} a step, ${percent(1 - fill)} of their places are padding ${seen}`];
  }
  return [
    `packing: ${rows.toFixed(1)} rows of up to ${packedRow} tokens and ${images.toFixed(1)} images a step, filled to ${percent(fill)};` +
      ` sharing images saves ${percent(shared)} of the tokens ${seen}`,
  ];
}

function diskLines({ disk }: Pick<PlannedRun, 'disk'>): string[] {
  const { checkpointBytes, kept, bytes } = disk;
  return [`disk: ${kept} checkpoints of ${size(checkpointBytes)} stay, ${size(bytes)} with the one that is written`];
}

function durationLines({ duration }: Pick<PlannedRun, 'duration'>): string[] {
  if (duration === undefined)
    return ['duration: not known; --speed says how many samples a second, --like takes those of a run'];
  const { seconds, samplesPerSecond, from } = duration;
  return [`duration: ${formatDuration(seconds)} at ${samplesPerSecond.toPrecision(3)} samples a second (${from})`];
}

function times(count: number): string {
  return count === 1 ? 'once' : `${grouped(count)} times`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function grouped(value: number): string {
  return value.toLocaleString('en-US');
}

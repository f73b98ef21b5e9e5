/** The passes that a step is cut into, as far as memory is concerned. */

import type { PassShape } from '../../model/memory.ts';
import { type StepMemory, type StepSettings, stepMemory } from '../../train/memory.ts';

/** One row as it goes through the model. */
export interface RowShape {
  /** Visual ones included. */
  tokens: number;
  images: number;
  supervised: number;
  /** Examples that share it. */
  examples: number;
}

/** The rows of one step, in their order. */
export type LookedStep = readonly RowShape[];

/** Rows as passes of at most so many examples, and at least one row: the rule of data/loaded-batch.ts. */
export function passesOf(
  rows: LookedStep,
  { microBatch, masked }: { microBatch: number; masked: boolean },
): PassShape[] {
  const passes: RowShape[][] = [];
  let held = 0;
  for (const row of rows) {
    const open = passes.at(-1);
    if (open === undefined || held + row.examples > microBatch) {
      passes.push([row]);
      held = row.examples;
    } else {
      open.push(row);
      held += row.examples;
    }
  }
  return passes.map((own) => ({
    rows: own.length,
    tokens: own.reduce((most, { tokens }) => Math.max(most, tokens), 0),
    images: own.reduce((sum, { images }) => sum + images, 0),
    supervised: own.reduce((sum, { supervised }) => sum + supervised, 0),
    masked,
  }));
}

/** The pass of these steps that needs most. */
export function largestPass(
  settings: StepSettings,
  of: { steps: readonly LookedStep[]; microBatch: number; masked: boolean },
): { pass: PassShape; memory: StepMemory } {
  let largest: { pass: PassShape; memory: StepMemory } | undefined;
  for (const step of of.steps) {
    const passes = passesOf(step, of);
    for (const pass of passes) {
      const memory = stepMemory(settings, pass, passes.length);
      if (largest === undefined || memory.peak > largest.memory.peak) largest = { pass, memory };
    }
  }
  if (largest === undefined) throw new RangeError('no step was looked at');
  return largest;
}

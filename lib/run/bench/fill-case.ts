/** How full packed rows are: what `tristage plan` finds of a step, for a mixture that everyone has. */

import type { Registry } from '../config.ts';
import { encodeOptionsOf, openData, orderOf } from '../data.ts';
import { modelConfigOf } from '../model-config.ts';
import { measureSteps } from '../planning/measure.ts';
import { openRuns } from '../plugins.ts';

/** Steps of a run that were packed. */
export interface PackedRows {
  name: string;
  /** Longest a row may be, in tokens. */
  maxTokens: number;
  steps: number;
  /** Of a step, on average over the runs' steps. */
  samples: number;
  rows: number;
  /** Share of the places of rows that hold a token, each step's rows padded to its longest, 0..1. */
  fill: number;
}

export interface FillRequest {
  /** Run files. */
  files: readonly string[];
  /** Settings that hold for each of them, by its place. */
  settings: readonly (readonly string[])[];
  registry: Registry;
}

/** All runs together: a chain is trained as a whole. */
const ALL = 'fill-all';

/**
 * Packs steps of runs, spread over each; runs without packing are left out.
 * @returns a case for each run, and one for all steps of all of them
 * @throws TristageError as opening their data does
 */
export async function measureFills({ files, settings, registry }: FillRequest): Promise<PackedRows[]> {
  const found: PackedRows[] = [];
  const total = { steps: 0, looked: 0, samples: 0, rows: 0, tokens: 0, places: 0, longest: 0 };
  for (const [place, file] of files.entries()) {
    const runs = await openRuns([file], { registry, set: settings[place] ?? [] });
    for (const run of runs) {
      const data = await openData(run.config, run.registry);
      const { config } = data;
      const { packing } = config.data;
      if (packing === undefined) continue;
      const encode = encodeOptionsOf({ config, model: modelConfigOf(config), data });
      const { facts } = await measureSteps({ config, data, stream: orderOf(config, data), encode });
      const { looked: steps, samples, rows, fill } = facts;
      found.push({ name: `fill-${config.name}`, maxTokens: packing.maxTokens, steps, samples, rows, fill });
      const trained = config.train.steps;
      total.steps += trained;
      total.looked += steps;
      total.samples += trained * samples;
      total.rows += trained * rows;
      total.tokens += trained * facts.tokens;
      total.places += (trained * facts.tokens) / fill;
      total.longest = Math.max(total.longest, packing.maxTokens);
    }
  }
  if (found.length < 2) return found;
  const all: PackedRows = {
    name: ALL,
    maxTokens: total.longest,
    steps: total.looked,
    samples: total.samples / total.steps,
    rows: total.rows / total.steps,
    fill: total.tokens / total.places,
  };
  return [...found, all];
}

/** The rows of a run as a line for a terminal. */
export function fillLine({ name, maxTokens, steps, samples, rows, fill }: PackedRows): string {
  const of = `${samples.toFixed(0)} samples in ${rows.toFixed(1)} rows of at most ${maxTokens} tokens`;
  return `${name}: rows are full to ${(100 * fill).toFixed(1)} % (${of}, ${steps} steps looked at)`;
}

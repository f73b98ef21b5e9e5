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
  /** Of a step, on average. */
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

/**
 * Packs steps of runs, spread over each; runs without packing are left out.
 * @throws TristageError as opening their data does
 */
export async function measureFills({ files, settings, registry }: FillRequest): Promise<PackedRows[]> {
  const found: PackedRows[] = [];
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
    }
  }
  return found;
}

/** The rows of a run as a line for a terminal. */
export function fillLine({ name, maxTokens, steps, samples, rows, fill }: PackedRows): string {
  const of = `${samples.toFixed(0)} samples in ${rows.toFixed(1)} rows of at most ${maxTokens} tokens`;
  return `${name}: rows are full to ${(100 * fill).toFixed(1)} % (${of}, ${steps} steps looked at)`;
}

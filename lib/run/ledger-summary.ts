/** What the ledger of a run says: which samples could not be used, why, and what sources left out when they were opened. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { TristageError } from '../core/errors.ts';
import type { BadSample } from '../data/ledger.ts';
import { RUN_FILES } from './run-folder.ts';

const bad = z.object({
  step: z.int().min(0),
  slot: z.int().min(0),
  line: z.int().min(0).optional(),
  source: z.string(),
  index: z.int().min(0),
  code: z.string(),
  where: z.string(),
  cause: z.string(),
  replacedBy: z.int().min(0).optional(),
});
const leftOut = z.object({
  source: z.string(),
  leftOut: z.int().min(0),
  cause: z.string(),
  where: z.array(z.string()),
});
const entry = z.union([bad, leftOut]);

/** Samples with one code of error. */
export interface LedgerFault {
  code: string;
  samples: number;
  /** The first cause, and the first few places, each once. */
  cause: string;
  where: string[];
}

/** One source in the ledger. */
export interface LedgerSource {
  source: string;
  /** Places of the order whose sample gave way to another, or stopped the run; each attempt counts. */
  replaced: number;
  /** Different samples among them. */
  samples: number;
  /** Of the replaced ones, most frequent first. */
  faults: LedgerFault[];
  /** Rows that were not there from the start, by reason. */
  leftOut: { rows: number; cause: string; where: readonly string[] }[];
}

export interface LedgerSummary {
  file: string;
  /** Over all sources. */
  replaced: number;
  leftOut: number;
  /** First and last step that needed a replacement; absent where none did. */
  steps?: { first: number; last: number };
  /** Most replaced samples first. */
  sources: LedgerSource[];
}

/** Places that are named for each fault. */
const MOST_PLACES = 5;

/**
 * Reads the ledger of a run folder. A run that went on from a checkpoint repeats steps and enters their samples again; these count
 * once. A run without bad samples has no ledger, and its summary is empty.
 * @throws TristageError E_LEDGER for a line that is no entry
 */
export async function ledgerSummary(folder: string): Promise<LedgerSummary> {
  const file = join(folder, RUN_FILES.ledger);
  const entries = await readLedger(file);
  const missing = new Map<string, z.output<typeof leftOut>>();
  for (const item of entries) {
    if ('leftOut' in item) missing.set(JSON.stringify([item.source, item.cause]), item);
  }
  const all = replacedIn(entries);
  const names = [...new Set([...all, ...missing.values()].map(({ source }) => source))];
  const sources = names.map((name) =>
    sourceSummary(name, {
      replaced: all.filter(({ source }) => source === name),
      missing: [...missing.values()].filter(({ source }) => source === name),
    }),
  );
  const steps = all.map(({ step }) => step);
  return {
    file,
    replaced: all.length,
    leftOut: [...missing.values()].reduce((sum, item) => sum + item.leftOut, 0),
    ...(steps.length === 0 ? {} : { steps: { first: least(steps), last: -least(steps.map((step) => -step)) } }),
    sources: sources.sort((a, b) => b.replaced - a.replaced || (a.source < b.source ? -1 : 1)),
  };
}

/**
 * The bad samples of a run, each place once.
 * @throws TristageError E_LEDGER for a line that is no entry
 */
export async function badSamples(folder: string): Promise<BadSample[]> {
  return replacedIn(await readLedger(join(folder, RUN_FILES.ledger)));
}

function replacedIn(entries: readonly z.output<typeof entry>[]): BadSample[] {
  const replaced = new Map<string, BadSample>();
  for (const item of entries) {
    if ('leftOut' in item) continue;
    const { line, replacedBy, ...facts } = item;
    const key = JSON.stringify([facts.step, facts.slot, facts.source, facts.index]);
    replaced.set(key, {
      ...facts,
      ...(line === undefined ? {} : { line }),
      ...(replacedBy === undefined ? {} : { replacedBy }),
    });
  }
  return [...replaced.values()];
}

function least(values: readonly number[]): number {
  return values.reduce((low, value) => Math.min(low, value), Number.POSITIVE_INFINITY);
}

async function readLedger(file: string): Promise<z.output<typeof entry>[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw badLedger(file, (error as NodeJS.ErrnoException).code ?? String(error));
  }
  // What a crash cut short has no newline behind it.
  const lines = text.split('\n').slice(0, -1);
  return lines.map((line, place) => {
    const parsed = entry.safeParse(jsonOf(line));
    if (parsed.success) return parsed.data;
    throw badLedger(`${file}:${place + 1}`, line.slice(0, 80));
  });
}

function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function badLedger(where: string, found: string): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_LEDGER',
    message: 'the ledger of bad samples cannot be read',
    where,
    found,
    expected: 'one entry in JSON on each line',
  });
}

function sourceSummary(
  source: string,
  { replaced, missing }: { replaced: readonly BadSample[]; missing: readonly z.output<typeof leftOut>[] },
): LedgerSource {
  const faults = new Map<string, LedgerFault>();
  for (const { code, cause, where } of replaced) {
    const fault = faults.get(code) ?? { code, samples: 0, cause, where: [] };
    faults.set(code, fault);
    fault.samples += 1;
    if (fault.where.length < MOST_PLACES && !fault.where.includes(where)) fault.where.push(where);
  }
  return {
    source,
    replaced: replaced.length,
    samples: new Set(replaced.map(({ index }) => index)).size,
    faults: [...faults.values()].sort((a, b) => b.samples - a.samples || (a.code < b.code ? -1 : 1)),
    leftOut: missing.map(({ leftOut: rows, cause, where }) => ({ rows, cause, where })),
  };
}

/** The summary as lines for people. */
export function describeLedger({ replaced, leftOut: rows, steps, sources }: LedgerSummary): string[] {
  if (sources.length === 0) return ['no sample had to be replaced, and no row was left out'];
  const span = steps === undefined ? '' : `, in steps ${steps.first} to ${steps.last}`;
  const lines = [`${replaced} samples replaced${span}; ${rows} rows left out when sources were opened`];
  for (const { source, replaced: count, samples, faults, leftOut: missing } of sources) {
    lines.push(`${source}: ${count} replaced, ${samples} different samples`);
    for (const { code, samples: own, cause, where } of faults) {
      lines.push(`  ${own} x ${code}: ${cause}`, ...where.map((place) => `    ${place}`));
    }
    for (const { rows: own, cause, where } of missing) {
      lines.push(`  ${own} rows left out: ${cause}`, ...where.slice(0, MOST_PLACES).map((place) => `    ${place}`));
    }
  }
  return lines;
}

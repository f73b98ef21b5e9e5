/** The ledger of samples that could not be used: one line of JSON each, only ever appended. */

import { appendFile, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { TristageError } from '../core/errors.ts';

/** A sample that was replaced. */
export interface BadSample {
  step: number;
  /** Row of the global batch. */
  slot: number;
  source: string;
  index: number;
  /** Code of the error, `E_IMAGE` for example. */
  code: string;
  /** File or id that the error names. */
  where: string;
  cause: string;
  /** Index of the sample that took its place. */
  replacedBy: number;
}

/** The facts of an error for the ledger. */
export function causeOf(error: TristageError): Pick<BadSample, 'code' | 'where' | 'cause'> {
  const found = error.found === undefined ? '' : `: ${error.found}`;
  return { code: error.code, where: error.where ?? '', cause: `${error.message}${found}` };
}

/** What a source left out when it was opened, such as rows whose photo is missing. */
export interface LeftOutRows {
  source: string;
  /** How many rows. */
  leftOut: number;
  /** What they have in common. */
  cause: string;
  /** The first rows or files. */
  where: readonly string[];
}

/** Writes entries to a file in the order of the calls. */
export interface Ledger {
  append(entries: readonly (BadSample | LeftOutRows)[]): Promise<void>;
}

/**
 * A ledger file; made at the first entry.
 * @param path ends in `.jsonl` by custom
 */
export function openLedger(path: string): Ledger {
  let last: Promise<void> = Promise.resolve();
  const write = async (text: string): Promise<void> => {
    await mkdir(dirname(path), { recursive: true });
    await appendFile(path, text);
  };
  return {
    append(entries) {
      if (entries.length === 0) return last;
      last = last.then(() => write(entries.map((entry) => `${JSON.stringify(entry)}\n`).join('')));
      return last;
    },
  };
}

/** How many bad samples a run bears. */
export interface BadSampleBudget {
  /** Share of all samples drawn so far. Default 0.01. */
  share?: number;
  /** Always borne, so that a short run does not stop at its first one. Default 16. */
  least?: number;
}

/**
 * Stops a run with too many bad samples.
 * @throws TristageError E_BAD_SAMPLES naming the last of them
 */
export function checkBudget(
  { bad, seen, last }: { bad: number; seen: number; last: BadSample | undefined },
  { share = 0.01, least = 16 }: BadSampleBudget = {},
): void {
  const allowed = Math.max(least, Math.floor(share * seen));
  if (bad <= allowed || last === undefined) return;
  throw new TristageError({
    kind: 'data',
    code: 'E_BAD_SAMPLES',
    message: 'too many samples cannot be used',
    where: `${last.source}: ${last.where}`,
    found: `${bad} of ${seen}; the last: ${last.code}, ${last.cause}`,
    expected: `at most ${allowed}`,
    fix: 'look at the ledger of the run, repair or fetch the files again',
  });
}

/** The ledger of samples that could not be used: one line of JSON each, only ever appended. */

import { appendFile, mkdir, readFile, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import { TristageError } from '../core/errors.ts';

/** A sample that was replaced. */
export interface BadSample {
  step: number;
  /** Row of the global batch. */
  slot: number;
  /** Line of the mixture; absent in ledgers of earlier versions. */
  line?: number;
  source: string;
  index: number;
  /** Code of the error, `E_IMAGE` for example. */
  code: string;
  /** File or id that the error names. */
  where: string;
  cause: string;
  /** Index of the sample that took its place; absent where none could and the run stopped. */
  replacedBy?: number;
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
  let mended: Promise<void> | undefined;
  const write = async (text: string): Promise<void> => {
    await mkdir(dirname(path), { recursive: true });
    mended ??= dropCutLine(path);
    await mended;
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

/** Takes away a last line that a crash cut short, so that the next one does not go on in it. */
async function dropCutLine(path: string): Promise<void> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const end = bytes.lastIndexOf('\n') + 1;
  if (end < bytes.length) await truncate(path, end);
}

/** How many bad samples of a source a run bears. */
export interface BadSampleBudget {
  /** Share of all its samples drawn so far. Default 0.01. */
  share?: number;
  /** Always borne, so that a short run does not stop at its first one. Default 16. */
  least?: number;
}

/** Counts the samples of one source. */
export interface Budget {
  /**
   * Counts a place of the order.
   * @param bad what could not be used there, one for each attempt
   * @throws TristageError E_BAD_SAMPLES naming the last of them, when too many were bad
   */
  seen(bad: readonly BadSample[]): void;
}

/**
 * Starts counting.
 * @param before what was counted before, where a run goes on
 */
export function createBudget({ share = 0.01, least = 16 }: BadSampleBudget = {}, before = { bad: 0, seen: 0 }): Budget {
  const total = { ...before };
  return {
    seen(bad) {
      total.seen += 1;
      total.bad += bad.length;
      const last = bad.at(-1);
      const allowed = Math.max(least, Math.floor(share * total.seen));
      if (last === undefined || total.bad <= allowed) return;
      throw new TristageError({
        kind: 'data',
        code: 'E_BAD_SAMPLES',
        message: `too many samples of ${last.source} cannot be used`,
        where: `${last.source}: ${last.where}`,
        found: `${total.bad} of ${total.seen}; the last: ${last.code}, ${last.cause}`,
        expected: `at most ${allowed}`,
        fix: 'look at the ledger of the run (tristage inspect --ledger), repair or fetch the files again, or raise badShare',
      });
    },
  };
}

/** Asks Python to load an export and reports how far it lies from the trained model. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { llama2Tokenizer } from '../../lib/data/tokenizer.ts';
import { pruneTokenizer } from '../../lib/data/vocabulary.ts';
import { runCommand } from '../../lib/engine/toolchain.ts';
import { readManifest } from '../../lib/export/manifest.ts';
import { tokenizerCases } from './tokenizer-cases.ts';

/** What read_exports.py prints. */
export interface PythonReport {
  format: string;
  places: number;
  maxAbsLogitDiff: number;
  maxAbsLogit: number;
  /** Null where the tower is in a published file. */
  towerDiff: number | null;
  projectorDiff: number;
  tokenizerCases: number;
  tokenizerFaults: unknown[];
  torch: string;
  transformers: string;
}

/** Loads an export of format peft or merged in Python. */
export async function checkExport(folder: string, python: string): Promise<PythonReport> {
  const scratch = mkdtempSync(join(tmpdir(), 'tristage-cases-'));
  try {
    const { tokenizer } = await readManifest(folder);
    const whole = await llama2Tokenizer();
    const own = tokenizer.kept === undefined ? whole : pruneTokenizer(whole, tokenizer.kept);
    const cases = join(scratch, 'cases.json');
    writeFileSync(cases, JSON.stringify(tokenizerCases(own)));
    const { status, stdout, stderr } = await runCommand(python, [
      join(import.meta.dirname, 'read_exports.py'),
      folder,
      cases,
    ]);
    if (status !== 0) throw new Error(stderr);
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as PythonReport;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

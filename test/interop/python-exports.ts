/** Asks Python to load an export and reports how far it lies from the trained model. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { padRows } from '../../lib/data/collate.ts';
import { encodePrompt } from '../../lib/data/encode.ts';
import { evaluationInstruction } from '../../lib/data/task.ts';
import { llama2Tokenizer } from '../../lib/data/tokenizer.ts';
import { pruneTokenizer } from '../../lib/data/vocabulary.ts';
import { runCommand } from '../../lib/engine/toolchain.ts';
import { answerText } from '../../lib/eval/answer-text.ts';
import { generate } from '../../lib/eval/generate.ts';
import { reloadedModel } from '../../lib/export/export.ts';
import { readManifest } from '../../lib/export/manifest.ts';
import { readParity } from '../../lib/export/parity.ts';
import { openExport } from '../../lib/export/verify.ts';
import { tokensPerImage } from '../../lib/model/config.ts';
import { disposeMiniGpt } from '../../lib/model/minigpt.ts';
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
  /** What the lines of the README print: the model's answer about the first image of the proof. */
  answer: string;
  torch: string;
  transformers: string;
}

/** What the trainer's own generation answers where the README's lines ask; needs an open engine. */
export async function trainerAnswer(folder: string): Promise<string> {
  const { format, context, manifest } = await openExport(folder);
  const model = await reloadedModel(folder, { format, context });
  const { config } = model;
  try {
    const whole = await llama2Tokenizer();
    const { kept } = manifest.tokenizer;
    const tokenizer = kept === undefined ? whole : pruneTokenizer(whole, kept);
    const { inputs } = await readParity(join(folder, 'parity.safetensors'));
    const size = config.vision.imageSize;
    const pixels = inputs.pixels.subarray(0, 3 * size * size);
    const question = evaluationInstruction('caption', '');
    const image = { pixels, width: size, height: size, name: 'parity' };
    const row = encodePrompt({ question, image }, { tokenizer, imageTokens: tokensPerImage(config) });
    const batch = { ...padRows([row], { align: 'left' }), pixels };
    const [generated] = await generate(model, batch, { maxNewTokens: 40, eosId: tokenizer.eosId });
    return answerText(generated?.tokenIds ?? [], tokenizer);
  } finally {
    disposeMiniGpt(model);
  }
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

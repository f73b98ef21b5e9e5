/** Fixture folder `fast-tokenizers`: texts to ids and back, as the library `tokenizers` has them. */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fastTokenizer } from '../../../lib/data/fast-tokenizer.ts';
import { llama2Tokenizer, type Tokenizer } from '../../../lib/data/tokenizer.ts';
import { openTokenizerFile } from '../../../lib/data/tokenizer-file.ts';
import { tokenizerJson } from '../../../lib/export/tokenizer.ts';
import type { ParityResult } from '../result.ts';

/** One text: `ids` with special tokens as plain text, `parsed` where reading them makes a difference. */
interface TokenizerCase {
  text: string;
  ids: number[];
  parsed?: number[];
  decoded: string;
}

/** The content of a file of cases. */
export async function readCases(path: string): Promise<TokenizerCase[]> {
  return JSON.parse(await readFile(path, 'utf8')) as TokenizerCase[];
}

/** Compares each tokenizer of the folder with its cases, and LLaMA-2's, which is not in the folder, in both forms that it has here. */
export async function run(dir: string): Promise<ParityResult[]> {
  const folders = (await readdir(dir, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const results: ParityResult[] = [];
  for (const { name } of folders) {
    const { tokenizer } = await openTokenizerFile(join(dir, name));
    results.push(compare(`fast-tokenizers/${name}`, tokenizer, await readCases(join(dir, name, 'cases.json'))));
  }
  const llama = await llama2Tokenizer();
  const cases = await readCases(join(dir, 'llama-2.cases.json'));
  results.push(compare('fast-tokenizers/llama-2 built in', llama, cases));
  const json = tokenizerJson({ whole: llama, tokenizer: llama });
  results.push(compare('fast-tokenizers/llama-2 tokenizer.json', await fastTokenizer({ json }, 'llama-2'), cases));
  return results;
}

/** Exact comparison of ids and decoded texts. */
export function compare(name: string, tokenizer: Tokenizer, cases: readonly TokenizerCase[]): ParityResult {
  const wrong = cases.flatMap(({ text, ids, parsed = ids, decoded }) => {
    const same = (found: readonly number[], expected: readonly number[]): boolean => found.join() === expected.join();
    const faults: string[] = [];
    if (!same(tokenizer.encode(text, { parseSpecials: false }), ids)) faults.push('ids');
    if (!same(tokenizer.encode(text), parsed)) faults.push('ids with special tokens');
    if (tokenizer.decode(ids) !== decoded) faults.push('decoded text');
    return faults.map((fault) => `${fault} of ${JSON.stringify(text)}`);
  });
  const ok = cases.length > 0 && wrong.length === 0;
  return { name, ok, detail: ok ? `${cases.length} texts exact` : `${wrong.length} differences; ${wrong[0]}` };
}

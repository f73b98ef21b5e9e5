/** Our side of `tristage bench generate`: the generation that `predict` and `eval` use, on the weights of a language model. */
import { readFileSync } from 'node:fs';
import { openEngine } from '../../engine/engine.ts';
import { generate, type PromptBatch } from '../../eval/generate.ts';
import type { Continued, GenerateCase } from './generate-case.ts';
import { loadLanguageModel } from './language-model.ts';
import { servePeer } from './peer.ts';

const [backend, casePath] = process.argv.slice(2) as [string, string];
const work = JSON.parse(readFileSync(casePath, 'utf8')) as GenerateCase;
const engine = await openEngine({ backend: backend as 'torch' | 'tensorflow', device: 'cpu', threads: work.threads });

/** Rows padded on the left. */
function leftPadded(rows: readonly (readonly number[])[]): PromptBatch {
  const width = Math.max(...rows.map((row) => row.length));
  const tokenIds = new Int32Array(rows.length * width);
  const attentionMask = new Uint8Array(rows.length * width);
  for (const [b, row] of rows.entries()) {
    tokenIds.set(row, (b + 1) * width - row.length);
    attentionMask.fill(1, (b + 1) * width - row.length, (b + 1) * width);
  }
  return { tokenIds, attentionMask, shape: [rows.length, width] };
}

const model = await loadLanguageModel(work.weights, 'float32');
const prompts = leftPadded(work.prompts);
/** No token has this number: every row goes on to the end. */
const NEVER = -1;

async function continued(): Promise<Continued> {
  const before = process.cpuUsage();
  const start = performance.now();
  const rows = await generate(model, prompts, { maxNewTokens: work.newTokens, eosId: NEVER });
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  return { seconds, cpu: (user + system) / 1e6, tokens: rows.map((row) => row.tokenIds) };
}

await servePeer({
  continue: continued,
  describe: () => engine,
  // ru_maxrss is in KiB on Linux, as the other side reports it.
  peak: () => ({ bytes: process.resourceUsage().maxRSS * 1024 }),
});

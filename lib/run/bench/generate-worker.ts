/** Our side of `tristage bench generate`: the generation that `predict` and `eval` use, on the weights of a language model. */
import { readFileSync } from 'node:fs';
import { openImport } from '../../checkpoint/import.ts';
import { publishedLlama } from '../../checkpoint/llama-settings.ts';
import { openEngine } from '../../engine/engine.ts';
import { generate, type PromptBatch } from '../../eval/generate.ts';
import { toFloat32 } from '../../formats/host-tensor.ts';
import { loadMiniGpt } from '../../model/minigpt.ts';
import { llamaShapes } from '../../model/shapes.ts';
import type { Continued, GenerateCase } from './generate-case.ts';
import { servePeer } from './peer.ts';

const [backend, casePath] = process.argv.slice(2) as [string, string];
const work = JSON.parse(readFileSync(casePath, 'utf8')) as GenerateCase;
const engine = await openEngine({ backend: backend as 'torch' | 'tensorflow', device: 'cpu', threads: work.threads });

/** No image is asked about, so the tower is as small as one can be. */
const TOWER = { imageSize: 28, patch: 14, width: 8, depth: 1, heads: 1, mlpHidden: 8, eps: 1e-6, lnEps: 1e-6 };

async function loadModel(path: string) {
  const { settings } = (await publishedLlama(path))!;
  const weights = await openImport({ path, expected: llamaShapes(settings) });
  const names = new Set(weights.report.found);
  const source = async (name: string) => {
    if (!names.has(name)) return undefined;
    const tensor = await weights.read(name);
    return { shape: tensor.shape, values: toFloat32(tensor) };
  };
  try {
    const config = { vision: TOWER, join: 4, llm: settings };
    return await loadMiniGpt({ config, source, trainable: () => false, seed: 0 });
  } finally {
    await weights.close();
  }
}

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

const model = await loadModel(work.weights);
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

/** `tristage bench generate`: greedy generation with a key-value cache, against transformers' `generate` on the same weights. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { TristageError } from '../../core/errors.ts';
import { openTokenizerFile } from '../../data/tokenizer-file.ts';
import type { EngineInfo } from '../../engine/engine.ts';
import { weightsFolder } from '../setup-weights.ts';
import type { Continued, GenerateCase } from './generate-case.ts';
import type { BenchCase, BenchOptions, BenchReport } from './index.ts';
import { measurePaired, type Spread, spreadOf } from './paired.ts';
import type { Peer } from './peer.ts';
import { findPythonTorch, startPython, startWorker } from './sides.ts';

export interface GenerateOptions extends BenchOptions {
  /** Which libtorch our side computes with, as TRISTAGE_TORCH_SOURCE names it. */
  torch?: string | undefined;
  /** Tokens that every prompt is continued by; default 64. */
  newTokens?: number | undefined;
  /** Folder of the language model; default: what `tristage setup --weights smol` fetched. */
  weights?: string | undefined;
}

export interface GenerateCaseResult extends Omit<BenchCase, 'memory'> {
  /** `ratio` is ours divided by theirs, of the largest resident memory of the whole process: below 1, we need less. */
  memory: { ratio: number; oursBytes: number; theirsBytes: number };
  /** User and system time: theirs divided by ours. Other programs on the machine disturb it less than the clock. */
  cpu: { ratio: number; oursSeconds: Spread; theirsSeconds: Spread };
  transformers: string;
  prompts: number;
  /** Tokens of the longest prompt, and those that each was continued by. */
  promptTokens: number;
  newTokens: number;
}

export interface GenerateReport extends Omit<BenchReport, 'cases'> {
  cases: GenerateCaseResult[];
}

/** Eight beginnings in plain English; their lengths in tokens differ. */
const TEXTS = [
  'The capital of France is a city on the river Seine, and it is known all over the world for',
  'Once upon a time there was a small dog who lived in a house by the sea. One morning',
  'To make bread you need flour, water, salt and yeast. First',
  'The photo shows a red car in front of a white house. Beside the car there is',
  'The sun is a star, and the planets move around it because',
  'In the year 1969 two astronauts walked on the moon. They',
  'Question: What is the largest animal on earth? Answer:',
  'A triangle has three sides and three corners. A square',
];

/**
 * The same continuations on both sides: rows of different lengths, padded on the left, and rows cut to one length.
 * @throws TristageError E_BENCH_PYTHON, E_BENCH_SCRIPT, E_BENCH_PEER; E_TOKENIZER without the weights; E_BENCH_TOKENS when the sides do not
 *   say the same
 */
export async function benchGenerate(options: GenerateOptions): Promise<GenerateReport> {
  const { engine, rounds = 5, filter = '', newTokens = 64, weights = join(weightsFolder('smol'), 'llm') } = options;
  const threads = options.threads ?? availableParallelism();
  const { tokenizer } = await openTokenizerFile(weights);
  const rows = TEXTS.map((text) => tokenizer.encode(text));
  const shortest = Math.min(...rows.map((row) => row.length));
  const prompts = { 'smol-generate': rows, 'smol-generate-even': rows.map((row) => row.slice(0, shortest)) };
  const work = await mkdtemp(join(tmpdir(), 'tristage-bench-'));
  try {
    const cases: GenerateCaseResult[] = [];
    for (const [name, given] of Object.entries(prompts)) {
      const fullName = engine === 'torch' ? name : `${engine}-${name}`;
      if (!fullName.includes(filter)) continue;
      const path = join(work, `${name}.json`);
      const generateCase: GenerateCase = { weights, threads, prompts: given, newTokens };
      await writeFile(path, JSON.stringify(generateCase));
      cases.push(await measureCase({ name: fullName, path, generateCase, rounds }, options));
    }
    return { threads, rounds, cases };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

interface CaseRequest {
  name: string;
  /** The case as a file. */
  path: string;
  generateCase: GenerateCase;
  rounds: number;
}

async function measureCase(request: CaseRequest, options: GenerateOptions): Promise<GenerateCaseResult> {
  const { name, path, generateCase, rounds } = request;
  const { engine, torch, log } = options;
  const ours = startWorker({ name: 'generate', engine, args: [path], torch });
  const peers = [ours];
  try {
    const { version } = await ours.ask<EngineInfo>({ do: 'describe' });
    const partner = await findPythonTorch(engine === 'torch' ? version : undefined, 'transformers');
    const theirs = startPython(partner.python, 'generate.py', [path]);
    peers.push(theirs);
    const other = await theirs.ask<{ torch: string; transformers: string }>({ do: 'describe' });
    compareTokens(await go(ours), await go(theirs));
    const cpu = { ours: [] as number[], theirs: [] as number[] };
    const timed = (peer: Peer, times: number[]) => async () => {
      const { seconds, cpu: used } = await go(peer);
      times.push(used);
      return [seconds];
    };
    const result = await measurePaired({ rounds, ours: timed(ours, cpu.ours), theirs: timed(theirs, cpu.theirs) });
    const speed = {
      ratio: result.ratio.median,
      spread: result.ratio,
      oursSeconds: result.ours,
      theirsSeconds: result.theirs,
    };
    log?.(`${name}: speed ratio ${speed.ratio.toFixed(2)}`);
    return {
      ...{ name, engine, library: version, torch: other.torch, transformers: other.transformers, speed },
      ...{ memory: await memoryOf(ours, theirs), cpu: cpuOf(cpu), prompts: generateCase.prompts.length },
      promptTokens: Math.max(...generateCase.prompts.map((row) => row.length)),
      newTokens: generateCase.newTokens,
    };
  } finally {
    await Promise.all(peers.map((peer) => peer.close()));
  }
}

const go = (peer: Peer): Promise<Continued> => peer.ask<Continued>({ do: 'continue' });

async function memoryOf(ours: Peer, theirs: Peer): Promise<GenerateCaseResult['memory']> {
  const oursBytes = (await ours.ask<{ bytes: number }>({ do: 'peak' })).bytes;
  const theirsBytes = (await theirs.ask<{ bytes: number }>({ do: 'peak' })).bytes;
  return { ratio: oursBytes / theirsBytes, oursBytes, theirsBytes };
}

function cpuOf(times: { ours: readonly number[]; theirs: readonly number[] }): GenerateCaseResult['cpu'] {
  const [ours, theirs] = [spreadOf(times.ours), spreadOf(times.theirs)];
  return { ratio: theirs.median / ours.median, oursSeconds: ours, theirsSeconds: theirs };
}

/** Both sides continue with the same tokens, or there is nothing to compare. */
function compareTokens({ tokens: ours }: Continued, { tokens: theirs }: Continued): void {
  const row = ours.findIndex((tokens, b) => tokens.join(' ') !== theirs[b]?.join(' '));
  if (row < 0 && ours.length === theirs.length) return;
  throw new TristageError({
    kind: 'failure',
    code: 'E_BENCH_TOKENS',
    message: 'the two sides of the benchmark do not do the same work',
    where: `prompt ${row}`,
    found: `tokens ${ours[row]?.join(' ')}`,
    expected: `tokens ${theirs[row]?.join(' ')}`,
  });
}

/** The report as lines for a terminal. */
export function renderGenerate({ threads, rounds, cases }: GenerateReport): string {
  const lines = [
    `${threads} threads, ${rounds} rounds, A B A B; speed, cpu = theirs / ours, memory = ours / theirs; the tokens of both sides are equal`,
  ];
  for (const { name, speed, cpu, memory, ...one } of cases) {
    const perSecond = ({ median }: Spread) => ((one.prompts * one.newTokens) / median).toFixed(1);
    lines.push(
      `${name.padEnd(20)} speed ${speed.ratio.toFixed(2)} (${speed.spread.min.toFixed(2)}-${speed.spread.max.toFixed(2)})` +
        `  ours ${perSecond(speed.oursSeconds)} tokens/s  theirs ${perSecond(speed.theirsSeconds)}` +
        `  cpu ${cpu.ratio.toFixed(2)}  memory ${memory.ratio.toFixed(2)}` +
        `  ${one.prompts} prompts of up to ${one.promptTokens} tokens, ${one.newTokens} new ones each` +
        `  [${one.library} / PyTorch ${one.torch}, transformers ${one.transformers}]`,
    );
  }
  return lines.join('\n');
}

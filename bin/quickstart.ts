/** What `npm run quickstart` runs once packages, build and engine are there: see docs/quickstart.md. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import yargs from 'yargs';
import { writeWeakShards } from '../datasets/emoji-scenes/weak.ts';
import { formatError, TristageError } from '../lib/core/errors.ts';
import { packageRoot } from '../lib/core/paths.ts';
import { runQuickstart } from '../lib/run/quickstart.ts';
import { quickstartText } from '../lib/run/quickstart-summary.ts';
import { INTERRUPTED, interruptSignal } from './commands/train.ts';
import { reportFailure, trainingOutput } from './output.ts';
import { registry } from './registry.ts';

const GATE = 9;

/** What the last stage reaches on torch when everything works; see docs/quickstart.md for what was measured. */
const TARGETS = [
  'refer>=0.5',
  'identify>=0.8',
  'vqa>=0.82',
  'detection>=0.4',
  'grounding>=0.5',
  'caption>=0.85',
] as const;

const STAGES = ['stage1', 'stage2', 'stage3'].map((name) => join(packageRoot(), `configs/quickstart/${name}.yaml`));

/**
 * How much of it each engine does. Steps as a share of the files' own: torch all, tensorflow what takes about as long.
 * Questions of each task after each stage.
 */
const FULL = { torch: 1, tensorflow: 0.35, samples: [100, 100, 300] } as const;
const SHORT = { torch: 0.1, tensorflow: 0.03, samples: [20, 20, 20] } as const;

/** What the last stage is written as. */
const EXPORTS = ['peft', 'merged', 'minigptv2'] as const;

/** The weak data sets: so many scenes that few come twice in stage 1. */
const WEAK = { shards: 2, samplesPerShard: 1500, seed: 3 };

async function weakData(dir: string): Promise<Readonly<Record<string, string>>> {
  const there = { laion: join(dir, 'laion'), grit: join(dir, 'grit') };
  if (Object.values(there).every((folder) => existsSync(folder))) return there;
  return { ...(await writeWeakShards({ dir, ...WEAK })) };
}

function parse(argv: readonly string[]) {
  return yargs([...argv])
    .scriptName('npm run quickstart --')
    .usage('$0 [options]\n\nTrains and evaluates the three small stages of configs/quickstart.')
    .options({
      engine: { choices: ['torch', 'tensorflow'] as const, default: 'torch' as const, describe: 'What computes' },
      short: { type: 'boolean', default: false, describe: 'A tenth of the steps, few questions, no required figures' },
      out: { type: 'string', requiresArg: true, describe: 'Folder of everything; default: runs/quickstart' },
      'setup-seconds': { type: 'number', default: 0, hidden: true },
    })
    .strict()
    .version(false)
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new TristageError({ kind: 'usage', code: 'E_USAGE', message });
    })
    .parseSync();
}

async function main(argv: readonly string[]): Promise<number> {
  const args = parse(argv);
  if (argv.includes('--help')) return 0;
  const { engine, short } = args;
  const size = short ? SHORT : FULL;
  const { logger, display } = trainingOutput();
  const signal = interruptSignal((message) => logger.warn(message));
  const { summary, unmet } = await runQuickstart({
    stages: STAGES.map((file, place) => ({ file, samples: size.samples[place] ?? 0 })),
    out: args.out ?? (engine === 'torch' ? 'runs/quickstart' : `runs/quickstart-${engine}`),
    engine,
    share: size[engine],
    require: short || engine !== 'torch' ? [] : TARGETS,
    weakData,
    exports: EXPORTS,
    setupSeconds: args.setupSeconds,
    registry,
    logger,
    display,
    signal,
  });
  if (summary === undefined) return INTERRUPTED;
  process.stdout.write(`${quickstartText(summary)}\n`);
  for (const error of unmet) process.stderr.write(`${formatError(error)}\n`);
  return unmet.length === 0 ? 0 : GATE;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.exitCode = reportFailure(error, {});
}

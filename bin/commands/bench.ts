import { extname } from 'node:path';
import { type Arguments, type Command, flag, JSON_OPTION, text } from '../command.ts';
import { printResult, stderrLogger } from '../output.ts';

async function order(args: Arguments): Promise<number> {
  const { benchOrder, renderOrder } = await import('../../lib/run/bench/order-case.ts');
  const logger = stderrLogger();
  const report = await benchOrder({ rounds: Number(args['rounds']), log: (line) => logger.info(line) });
  printResult(report, renderOrder(report), flag(args, 'json'));
  return 0;
}

async function data(args: Arguments): Promise<number> {
  const { benchData, renderDataBench } = await import('../../lib/run/bench/data/index.ts');
  const logger = stderrLogger();
  const threads = args['threads'];
  const own = extname(new URL(import.meta.url).pathname);
  const report = await benchData({
    registry: new URL(`../registry${own}`, import.meta.url).href,
    images: Number(args['images']),
    rounds: Number(args['rounds']),
    threads: typeof threads === 'number' ? threads : undefined,
    filter: text(args, 'filter'),
    log: (line) => logger.info(line),
  });
  printResult(report, renderDataBench(report), flag(args, 'json'));
  return 0;
}

export const bench: Command = {
  name: 'bench',
  summary: 'Measure ourselves against plain PyTorch and webdataset on this machine, in one run',
  positional: '<what>',
  positionalSummary:
    'ops: each operation; step: a whole training step; order: finding a step of a large mixture; data: photos from tars to packed batches',
  choices: ['ops', 'step', 'order', 'data'],
  options: {
    engine: {
      type: 'string',
      choices: ['torch', 'tensorflow'],
      default: 'torch',
      requiresArg: true,
      describe: 'Which engine (ops, step)',
    },
    rounds: { type: 'number', requiresArg: true, default: 5, describe: 'Rounds, in which both sides take turns' },
    threads: {
      type: 'number',
      requiresArg: true,
      describe: 'Threads of both sides; default: every processor, for data 2 of them',
    },
    filter: { type: 'string', requiresArg: true, describe: 'Only cases whose name contains this (ops, data)' },
    images: { type: 'number', requiresArg: true, default: 2000, describe: 'Photos, made once (data)' },
    ...JSON_OPTION,
  },
  examples: [
    'tristage bench step --json',
    'tristage bench ops --filter attention',
    'tristage bench order',
    'tristage bench data',
  ],
  run: async (args) => {
    if (args['what'] === 'order') return order(args);
    if (args['what'] === 'data') return data(args);
    const { benchOps, benchStep, renderBench } = await import('../../lib/run/bench/index.ts');
    const logger = stderrLogger();
    const threads = args['threads'];
    const report = await (args['what'] === 'ops' ? benchOps : benchStep)({
      engine: text(args, 'engine') === 'tensorflow' ? 'tensorflow' : 'torch',
      rounds: Number(args['rounds']),
      threads: typeof threads === 'number' ? threads : undefined,
      filter: text(args, 'filter'),
      log: (line) => logger.info(line),
    });
    printResult(report, renderBench(report), flag(args, 'json'));
    return 0;
  },
};

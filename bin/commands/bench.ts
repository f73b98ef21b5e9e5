import { extname } from 'node:path';
import { type Arguments, type Command, flag, JSON_OPTION, text } from '../command.ts';
import { printResult, stderrLogger } from '../output.ts';

/** What a benchmark found, as data and as lines. */
interface Measured {
  report: { cases: readonly unknown[] };
  lines: string;
}

type Measure = (args: Arguments, log: (line: string) => void) => Promise<Measured>;

function numberOf(args: Arguments, name: string): number | undefined {
  const value = args[name];
  return typeof value === 'number' ? value : undefined;
}

/** What `ops` and `step` share. */
function pairedOptions(args: Arguments, log: (line: string) => void) {
  return {
    engine: text(args, 'engine') === 'tensorflow' ? ('tensorflow' as const) : ('torch' as const),
    rounds: Number(args['rounds']),
    threads: numberOf(args, 'threads'),
    filter: text(args, 'filter'),
    log,
  };
}

const MEASURES: Readonly<Record<string, Measure>> = {
  ops: async (args, log) => {
    const { benchOps, renderBench } = await import('../../lib/run/bench/index.ts');
    const report = await benchOps(pairedOptions(args, log));
    return { report, lines: renderBench(report) };
  },
  step: async (args, log) => {
    const { benchStep } = await import('../../lib/run/bench/step/index.ts');
    const { renderSteps } = await import('../../lib/run/bench/step/render.ts');
    const { registry } = await import('../registry.ts');
    const report = await benchStep({ ...pairedOptions(args, log), registry, torch: text(args, 'torch') });
    return { report, lines: renderSteps(report) };
  },
  generate: async (args, log) => {
    const { benchGenerate, renderGenerate } = await import('../../lib/run/bench/generate.ts');
    const report = await benchGenerate({ ...pairedOptions(args, log), torch: text(args, 'torch') });
    return { report, lines: renderGenerate(report) };
  },
  startup: async (args, log) => {
    const { benchStartup, renderStartup } = await import('../../lib/run/bench/startup.ts');
    const report = await benchStartup({ rounds: Number(args['rounds']), filter: text(args, 'filter'), log });
    return { report, lines: renderStartup(report) };
  },
  overhead: async (args, log) => {
    const { benchOverhead, renderOverhead } = await import('../../lib/run/bench/overhead.ts');
    const report = await benchOverhead({ ...pairedOptions(args, log), torch: text(args, 'torch') });
    return { report, lines: renderOverhead(report) };
  },
  load: async (args, log) => {
    const { benchLoad, renderLoad } = await import('../../lib/run/bench/load.ts');
    const report = await benchLoad({
      ...pairedOptions(args, log),
      gib: Number(args['gib']),
      torch: text(args, 'torch'),
    });
    return { report, lines: renderLoad(report) };
  },
  memory: async (args, log) => {
    const { benchMemory, renderMemory } = await import('../../lib/run/bench/memory.ts');
    const { rounds: _, ...options } = pairedOptions(args, log);
    const report = await benchMemory({ ...options, torch: text(args, 'torch') });
    return { report, lines: renderMemory(report) };
  },
  order: async (args, log) => {
    const { benchOrder, renderOrder } = await import('../../lib/run/bench/order-case.ts');
    const { withQuickstartMixture } = await import('../quickstart-mixture.ts');
    const report = await withQuickstartMixture((packed) => benchOrder({ rounds: Number(args['rounds']), packed, log }));
    return { report, lines: renderOrder(report) };
  },
  scale: async (args, log) => {
    const { benchScale, renderScale } = await import('../../lib/run/bench/scale/index.ts');
    const { engine, rounds, threads } = pairedOptions(args, log);
    const report = await benchScale({ engine, rounds, threads, log });
    return { report, lines: renderScale(report) };
  },
  data: async (args, log) => {
    const { benchData, renderDataBench } = await import('../../lib/run/bench/data/index.ts');
    const own = extname(new URL(import.meta.url).pathname);
    const report = await benchData({
      registry: new URL(`../registry${own}`, import.meta.url).href,
      images: Number(args['images']),
      rounds: Number(args['rounds']),
      threads: numberOf(args, 'threads'),
      filter: text(args, 'filter'),
      log,
    });
    return { report, lines: renderDataBench(report) };
  },
};

export const bench: Command = {
  name: 'bench',
  summary: 'Measure ourselves against plain PyTorch and webdataset on this machine, in one run',
  positional: '<what>',
  positionalSummary:
    'ops: each operation; step: a whole training step; scale: how a step grows with its tokens and with the mixture; order: finding a step of a large mixture; data: photos from tars to packed batches; generate: answers with a key-value cache; load: weights to the engine; startup: commands in new processes; overhead: a single call; memory: the estimate of plan beside the measured peak',
  choices: Object.keys(MEASURES),
  options: {
    engine: {
      type: 'string',
      choices: ['torch', 'tensorflow'],
      default: 'torch',
      requiresArg: true,
      describe: 'Which engine (ops, step, scale, generate, load, overhead, memory)',
    },
    torch: {
      type: 'string',
      choices: ['debian', 'pip', 'python'],
      requiresArg: true,
      describe:
        'Which libtorch (step, generate, load, overhead), beside a Python with the same version; default: the one of the engine',
    },
    rounds: { type: 'number', requiresArg: true, default: 5, describe: 'Rounds, in which both sides take turns' },
    threads: {
      type: 'number',
      requiresArg: true,
      describe: 'Threads of both sides; default: every processor, for data 2 of them',
    },
    filter: { type: 'string', requiresArg: true, describe: 'Only cases whose name contains this (not for order)' },
    images: { type: 'number', requiresArg: true, default: 2000, describe: 'Photos, made once (data)' },
    gib: { type: 'number', requiresArg: true, default: 3, describe: 'Size of the file in GiB (load)' },
    output: {
      type: 'string',
      requiresArg: true,
      describe: 'Also write the report with machine, command and date here',
    },
    ...JSON_OPTION,
  },
  examples: [
    'tristage bench step --json',
    'tristage bench step --filter mid-b --rounds 7',
    'tristage bench ops --filter attention',
    'tristage bench order',
    'tristage bench data --output data.json',
  ],
  run: async (args) => {
    const logger = stderrLogger();
    const what = String(args['what']);
    const { report, lines } = await MEASURES[what]!(args, (line) => logger.info(line));
    const output = text(args, 'output');
    if (output !== undefined) {
      const { writeBenchFile } = await import('../../lib/run/bench/output.ts');
      await writeBenchFile(output, { bench: what, argv: process.argv.slice(2), report });
    }
    printResult(report, lines, flag(args, 'json'));
    return 0;
  },
};

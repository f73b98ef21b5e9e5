import { type Command, flag, JSON_OPTION, SET_OPTION, text, texts } from '../command.ts';
import { printResult, stderrLogger } from '../output.ts';

export const plan: Command = {
  name: 'plan',
  summary: 'Say what runs will see, take and last, and fail where a limit is broken; train nothing',
  positional: '<config..>',
  positionalSummary: 'run files (YAML)',
  options: {
    speed: { type: 'number', requiresArg: true, describe: 'Samples a second, for the duration' },
    like: { type: 'string', requiresArg: true, describe: 'Run folder whose speed is taken for the duration' },
    samples: {
      type: 'number',
      requiresArg: true,
      default: 200,
      describe: 'Samples of each source that are looked at, chosen by train.seed',
    },
    memory: {
      type: 'boolean',
      describe: 'Only the memory, for rows as long as they may be; needs neither data nor weights',
    },
    ...SET_OPTION,
    ...JSON_OPTION,
  },
  examples: [
    'tristage plan configs/quickstart/stage2.yaml',
    'tristage plan configs/minigptv2/stage2.yaml --memory',
    'tristage plan configs/quickstart/stage2.yaml --set train.steps=1000 --speed 120 --json',
  ],
  run: async (args) => {
    const [{ registry }, { planRuns }] = await Promise.all([
      import('../registry.ts'),
      import('../../lib/run/planning/index.ts'),
    ]);
    if (flag(args, 'memory')) {
      const { memoryOnly } = await import('../../lib/run/planning/memory-only.ts');
      const planned = await memoryOnly({ files: texts(args, 'config'), set: texts(args, 'set'), registry });
      const text = planned.map(({ name, lines }) => [`${name}:`, ...lines.map((line) => `  ${line}`)].join('\n'));
      const runs = planned.map(({ lines: _, ...run }) => run);
      printResult({ ok: true, runs }, text.join('\n'), flag(args, 'json'));
      return 0;
    }
    const speed = args['speed'];
    const runs = await planRuns({
      files: texts(args, 'config'),
      set: texts(args, 'set'),
      registry,
      logger: stderrLogger(),
      samples: Number(args['samples']),
      speed: typeof speed === 'number' ? speed : undefined,
      like: text(args, 'like'),
    });
    const shown = runs.map(({ name, lines }) => [`${name}:`, ...lines.map((line) => `  ${line}`)].join('\n'));
    const data = runs.map(({ lines: _, ...run }) => run);
    printResult({ ok: true, runs: data }, shown.join('\n'), flag(args, 'json'));
    return 0;
  },
};

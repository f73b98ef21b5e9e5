import { type Command, flag, JSON_OPTION, SET_OPTION, texts } from '../command.ts';
import { printResult } from '../output.ts';

export const validate: Command = {
  name: 'validate',
  summary: 'Check run files and report every fault at once',
  positional: '<config..>',
  positionalSummary: 'run files (YAML)',
  options: {
    ...SET_OPTION,
    print: { type: 'boolean', default: false, describe: 'Print the complete run with all defaults' },
    origin: { type: 'boolean', default: false, describe: 'With --print: say after each value where it came from' },
    ...JSON_OPTION,
  },
  examples: ['tristage validate configs/examples/first-light.yaml --print --origin'],
  run: async (args) => {
    const [{ registry }, { openRuns }] = await Promise.all([
      import('../registry.ts'),
      import('../../lib/run/plugins.ts'),
    ]);
    const { printConfig } = await import('../../lib/config/print.ts');
    const { describeOrigin } = await import('../../lib/config/tree.ts');
    const files = texts(args, 'config');
    const resolved = await openRuns(files, { registry, set: texts(args, 'set') });
    const data = resolved.map(({ file, config, origins }) => ({
      file,
      config,
      origins: Object.fromEntries([...origins].map(([path, origin]) => [path, describeOrigin(origin)])),
    }));
    const lines = resolved.map(({ file, config, origins }) =>
      flag(args, 'print')
        ? printConfig(config, flag(args, 'origin') ? origins : undefined).trimEnd()
        : `${file}: valid`,
    );
    printResult(
      { ok: true, runs: data },
      lines.join('\n---\n').replaceAll('valid\n---\n', 'valid\n'),
      flag(args, 'json'),
    );
    return 0;
  },
};

import type { NamedWeights } from '../../lib/run/check-weights.ts';
import { type Command, flag, JSON_OPTION, SET_OPTION, texts } from '../command.ts';
import { printResult } from '../output.ts';

/** Weights that are not there are no fault of a run file: it may be checked elsewhere. */
function lacking(weights: readonly NamedWeights[]): string[] {
  return weights.flatMap(({ key, path, there }) => (there ? [] : `${key} weights ${path} are not there yet`));
}

export const validate: Command = {
  name: 'validate',
  summary: 'Check run files and the headers of their weights, and report every fault at once',
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
    const [{ registry }, { openRuns }, { checkRunWeights }] = await Promise.all([
      import('../registry.ts'),
      import('../../lib/run/plugins.ts'),
      import('../../lib/run/check-weights.ts'),
    ]);
    const { printConfig } = await import('../../lib/config/print.ts');
    const { describeOrigin } = await import('../../lib/config/tree.ts');
    const files = texts(args, 'config');
    const resolved = await openRuns(files, { registry, set: texts(args, 'set') });
    const weights = await checkRunWeights(resolved);
    const data = resolved.map(({ file, config, origins }, place) => ({
      file,
      config,
      weights: weights[place],
      origins: Object.fromEntries([...origins].map(([path, origin]) => [path, describeOrigin(origin)])),
    }));
    const print = flag(args, 'print');
    const lines = resolved.map(({ file, config, origins }, place) =>
      print
        ? printConfig(config, flag(args, 'origin') ? origins : undefined).trimEnd()
        : [`${file}: valid`, ...lacking(weights[place] ?? [])].join('; '),
    );
    printResult({ ok: true, runs: data }, lines.join(print ? '\n---\n' : '\n'), flag(args, 'json'));
    return 0;
  },
};

import type { PreparedFeatures } from '../../lib/run/prepare-features.ts';
import { type Command, flag, JSON_OPTION, SET_OPTION, texts } from '../command.ts';
import { printResult, stderrLogger } from '../output.ts';
import { resumable } from '../resumable.ts';

export const prepareFeatures: Command = {
  name: 'prepare-features',
  summary: 'Let the frozen vision tower of runs see every image once and store what it sees',
  positional: '<config..>',
  positionalSummary: 'run files (YAML) with data.featureCache',
  options: { ...SET_OPTION, ...JSON_OPTION },
  examples: [
    "tristage prepare-features configs/quickstart/stage2.yaml --set 'data.featureCache={}'",
    'tristage prepare-features run.yaml --set data.featureCache.maxBytes=100e9 --json',
  ],
  run: async (args) => {
    const [{ registry }, { prepareFeatures: fill }] = await Promise.all([
      import('../registry.ts'),
      import('../../lib/run/prepare-features.ts'),
    ]);
    const logger = stderrLogger();
    return resumable(logger, async (signal) => {
      const runs = await fill({ files: texts(args, 'config'), set: texts(args, 'set'), registry, logger, signal });
      printResult({ ok: true, runs }, runs.map(describe).join('\n'), flag(args, 'json'));
    });
  },
};

function describe({ name, present, computed, unstored, unusable, full }: PreparedFeatures): string {
  const facts = [`${computed - unstored} images stored`, `${present} were there`];
  if (unusable > 0) facts.push(`${unusable} samples cannot be used`);
  if (full) facts.push('the cache is full: raise data.featureCache.maxBytes for the rest');
  return `${name}: ${facts.join(', ')}`;
}

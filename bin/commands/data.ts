import type { Packed } from '../../lib/run/pack-shards.ts';
import { type Command, flag, JSON_OPTION, PLUGIN_OPTION, SOURCE_SET_OPTION, text, texts } from '../command.ts';
import { printResult, trainingOutput } from '../output.ts';
import { resumable } from '../resumable.ts';

/** Size of a shard where none is asked for: as many data sets have them, small enough to be copied one by one. */
const SHARD_MIB = 256;

export const data: Command = {
  name: 'data',
  summary: 'Write the samples of a source into tar shards (data pack)',
  positional: '<action> <source>',
  positionalSummary: 'pack: write shards that the source webdataset and Python’s webdataset read',
  choices: ['pack'],
  options: {
    root: { type: 'string', requiresArg: true, describe: 'Folder of the source’s files' },
    index: { type: 'string', requiresArg: true, describe: 'Its index, where one was prepared' },
    out: { type: 'string', demandOption: true, requiresArg: true, describe: 'Folder of the shards' },
    ...SOURCE_SET_OPTION,
    'shard-mb': {
      type: 'number',
      requiresArg: true,
      describe: `MiB that a shard has at most; default ${SHARD_MIB}, without limit where --shard-samples is given`,
    },
    'shard-samples': { type: 'number', requiresArg: true, describe: 'Keys that a shard has at most' },
    ...PLUGIN_OPTION,
    ...JSON_OPTION,
  },
  examples: [
    'tristage data pack jsonl --root data/mine --out shards/mine',
    'tristage data pack refcoco --root data/refer --set task=refer --out shards/refcoco --shard-samples 5000 --json',
  ],
  run: async (args) => {
    const [{ registry }, { runPack, shardLimit }, { withPluginFiles }] = await Promise.all([
      import('../registry.ts'),
      import('../../lib/run/pack-shards.ts'),
      import('../../lib/run/plugins.ts'),
    ]);
    const [mib, samples] = [args['shard-mb'], args['shard-samples']].map((value) =>
      typeof value === 'number' ? value : undefined,
    );
    const { logger, display } = trainingOutput();
    return resumable(logger, async (signal) => {
      const packed = await runPack({
        source: text(args, 'source') ?? '',
        root: text(args, 'root'),
        index: text(args, 'index'),
        out: text(args, 'out') ?? '',
        set: texts(args, 'set'),
        limit: shardLimit({ mib: mib ?? (samples === undefined ? SHARD_MIB : undefined), samples }),
        registry: await withPluginFiles(registry, texts(args, 'plugin')),
        logger,
        display,
        signal,
      });
      printResult({ ok: true, ...packed }, describe(packed), flag(args, 'json'));
    });
  },
};

function describe({ shards, records, images, bytes, rejected, byReason, out }: Packed): string {
  const reasons = Object.entries(byReason).map(([reason, count]) => `  ${count} ${reason}`);
  const facts = `${records} samples with ${images} images in ${shards} shards, ${(bytes / 2 ** 20).toFixed(1)} MiB`;
  return [`${facts}, ${rejected} left out: ${out}`, ...reasons].join('\n');
}

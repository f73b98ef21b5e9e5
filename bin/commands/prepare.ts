import type { Prepared, Verify } from '../../lib/run/prepare.ts';
import { type Command, flag, JSON_OPTION, PLUGIN_OPTION, SOURCE_SET_OPTION, text, texts } from '../command.ts';
import { printResult, trainingOutput } from '../output.ts';
import { resumable } from '../resumable.ts';

export const prepare: Command = {
  name: 'prepare',
  summary: 'Read and check the files of a source once and index them for random access',
  positional: '<source>',
  positionalSummary: 'name of the source, such as coco-caption',
  options: {
    root: { type: 'string', demandOption: true, requiresArg: true, describe: 'Folder of the source’s files' },
    out: { type: 'string', demandOption: true, requiresArg: true, describe: 'Folder of the index' },
    ...SOURCE_SET_OPTION,
    build: {
      type: 'string',
      requiresArg: true,
      describe: 'First make this file from other sources below root, where the source can (multitask-conversation)',
    },
    verify: {
      type: 'string',
      requiresArg: true,
      choices: ['quick', 'headers', 'decode'],
      default: 'headers',
      describe: 'How closely images are looked at: headers, every pixel, or nothing of images in tars',
    },
    ...PLUGIN_OPTION,
    ...JSON_OPTION,
  },
  examples: [
    'tristage prepare coco-caption --root data/coco --out index/coco-caption',
    'tristage prepare coco-caption --root data/coco --set split=val --out index/coco-val --verify decode --json',
    'tristage prepare multitask-conversation --root data --build data/multi_task_conversation.json --out index/multitask',
  ],
  run: async (args) => {
    const [{ registry }, { runPrepare }, { withPluginFiles }] = await Promise.all([
      import('../registry.ts'),
      import('../../lib/run/prepare.ts'),
      import('../../lib/run/plugins.ts'),
    ]);
    const { logger, display } = trainingOutput();
    return resumable(logger, async (signal) => {
      const prepared = await runPrepare({
        source: text(args, 'source') ?? '',
        root: text(args, 'root') ?? '',
        out: text(args, 'out') ?? '',
        set: texts(args, 'set'),
        build: text(args, 'build'),
        verify: text(args, 'verify') as Verify,
        registry: await withPluginFiles(registry, texts(args, 'plugin')),
        logger,
        display,
        signal,
      });
      printResult({ ok: true, ...prepared }, describe(prepared), flag(args, 'json'));
    });
  },
};

function describe({ rows, rejected, byReason, index }: Prepared): string {
  const reasons = Object.entries(byReason).map(([reason, count]) => `  ${count} ${reason}`);
  return [`${rows} rows in ${index}, ${rejected} left out`, ...reasons].join('\n');
}

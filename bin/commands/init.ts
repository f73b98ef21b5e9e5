import { type Command, flag, JSON_OPTION, text } from '../command.ts';
import { printResult } from '../output.ts';

export const init: Command = {
  name: 'init',
  summary: 'Write three commented run files to start from',
  positional: '<dir>',
  positionalSummary: 'folder for stage1.yaml, stage2.yaml and stage3.yaml',
  options: { ...JSON_OPTION },
  examples: ['tristage init my-model'],
  run: async (args) => {
    const { initRunFiles } = await import('../../lib/run/init.ts');
    const files = await initRunFiles(text(args, 'dir') ?? '');
    const next = `edit them, then: tristage train ${files.join(' ')} --dry-run`;
    printResult({ ok: true, files }, [...files, next].join('\n'), flag(args, 'json'));
    return 0;
  },
};

import { type Command, flag, JSON_OPTION, text, texts } from '../command.ts';
import { printResult, stderrLogger } from '../output.ts';

export const report: Command = {
  name: 'report',
  summary: 'Write a page about a run and the stages before it, or compare several runs',
  positional: '<run..>',
  positionalSummary: 'run folders, or folders of run folders; several are compared',
  options: {
    out: {
      type: 'string',
      requiresArg: true,
      describe: 'The page; default: report.html in the run folder, of several runs in the current folder',
    },
    plugins: {
      type: 'boolean',
      default: false,
      describe: 'Execute the modules that the run files name, to show the images of their sources',
    },
    ...JSON_OPTION,
  },
  examples: [
    'tristage report runs/quickstart',
    'tristage report runs/minigptv2-stage3 --out stage3.html',
    'tristage report runs/lr-1e-4 runs/lr-3e-4 --out learning-rates.html --json',
  ],
  run: async (args) => {
    const [{ registry }, { writeReport }] = await Promise.all([
      import('../registry.ts'),
      import('../../lib/run/report/index.ts'),
    ]);
    const written = await writeReport({
      runs: texts(args, 'run'),
      out: text(args, 'out'),
      plugins: flag(args, 'plugins'),
      registry,
    });
    const logger = stderrLogger();
    for (const warning of written.warnings) logger.warn(warning);
    printResult({ ok: true, ...written }, written.path, flag(args, 'json'));
    return 0;
  },
};

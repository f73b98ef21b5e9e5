import { type Command, flag, JSON_OPTION, text } from '../command.ts';
import { printResult, stderrLogger } from '../output.ts';

export const setup: Command = {
  name: 'setup',
  summary: 'Find or fetch an engine, build it, check it by a computation',
  options: {
    engine: {
      type: 'string',
      choices: ['torch', 'tensorflow'],
      default: 'torch',
      requiresArg: true,
      describe: 'Which engine',
    },
    ...JSON_OPTION,
  },
  examples: ['tristage setup', 'tristage setup --engine tensorflow'],
  run: async (args) => {
    const { runSetup, renderSetup } = await import('../../lib/run/setup.ts');
    const logger = stderrLogger();
    const engine = text(args, 'engine') === 'tensorflow' ? 'tensorflow' : 'torch';
    const report = await runSetup({ engine, log: (line) => logger.info(line) });
    printResult({ ok: true, ...report }, renderSetup(report), flag(args, 'json'));
    return 0;
  },
};

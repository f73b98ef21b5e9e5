import { type Command, flag, JSON_OPTION, text } from '../command.ts';
import { printResult, stderrLogger } from '../output.ts';

export const setup: Command = {
  name: 'setup',
  summary: 'Find or fetch an engine, build it, check it by a computation; or fetch pretrained weights',
  options: {
    engine: {
      type: 'string',
      choices: ['torch', 'tensorflow'],
      default: 'torch',
      requiresArg: true,
      describe: 'Which engine',
    },
    known: {
      type: 'boolean',
      default: false,
      describe: 'Believe what an earlier call checked, where nothing has changed since (torch)',
    },
    weights: {
      type: 'string',
      choices: ['smol'],
      requiresArg: true,
      describe: 'Fetch pretrained weights with pip into the cache, in place of setting up an engine',
    },
    ...JSON_OPTION,
  },
  examples: ['tristage setup', 'tristage setup --engine tensorflow', 'tristage setup --weights smol'],
  run: async (args) => {
    if (text(args, 'weights') !== undefined) return fetchWeights(flag(args, 'json'));
    const { runSetup, renderSetup } = await import('../../lib/run/setup.ts');
    const logger = stderrLogger();
    const engine = text(args, 'engine') === 'tensorflow' ? 'tensorflow' : 'torch';
    const report = await runSetup({ engine, known: flag(args, 'known'), log: (line) => logger.info(line) });
    printResult({ ok: true, ...report }, renderSetup(report), flag(args, 'json'));
    return 0;
  },
};

async function fetchWeights(json: boolean): Promise<number> {
  const { setupWeights, renderWeights } = await import('../../lib/run/setup-weights.ts');
  const logger = stderrLogger();
  const report = await setupWeights('smol', (line) => logger.info(line));
  printResult({ ok: true, ...report }, renderWeights(report), json);
  return 0;
}

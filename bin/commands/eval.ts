import { formatError } from '../../lib/core/errors.ts';
import { type Command, flag, JSON_OPTION, SET_OPTION, text, texts } from '../command.ts';
import { printResult, stderrLogger } from '../output.ts';

/** Exit status of a quality gate that is not met. */
const GATE = 9;

export const evaluate: Command = {
  name: 'eval',
  summary: 'Ask a trained run held-out questions and score its answers',
  options: {
    checkpoint: {
      type: 'string',
      demandOption: true,
      requiresArg: true,
      describe: 'Run folder, or one of its checkpoints',
    },
    config: {
      type: 'string',
      requiresArg: true,
      describe: 'Run file whose eval block is used; default: the run’s own',
    },
    ...SET_OPTION,
    samples: { type: 'number', requiresArg: true, describe: 'Questions of each task; default: as the eval block says' },
    split: {
      type: 'string',
      requiresArg: true,
      describe: 'Split of every source; without an eval block, that split of the training sources is asked about',
    },
    out: { type: 'string', requiresArg: true, describe: 'Folder of the results; default: eval/step-N of the run' },
    controls: {
      type: 'boolean',
      default: true,
      describe: 'Chance, the untrained model, and another scene’s image; --no-controls leaves them out',
    },
    require: {
      type: 'string',
      array: true,
      nargs: 1,
      default: [],
      requiresArg: true,
      describe: 'Quality gate: --require "refer>=0.5" (repeatable); exit 9 when a figure is lower',
    },
    engine: {
      type: 'string',
      requiresArg: true,
      choices: ['torch', 'tensorflow'],
      describe: 'What computes; default: as the run was trained',
    },
    ...JSON_OPTION,
  },
  examples: [
    'tristage eval --checkpoint runs/quickstart/stage3 --samples 100',
    'tristage eval --checkpoint runs/quickstart/stage3 --require "refer>=0.5" --require "vqa>=0.8" --json',
  ],
  run: async (args) => {
    const [{ registry }, { runEval }] = await Promise.all([
      import('../registry.ts'),
      import('../../lib/run/eval-command.ts'),
    ]);
    const { folder, report, table, figures, unmet } = await runEval({
      checkpoint: text(args, 'checkpoint') ?? '',
      file: text(args, 'config'),
      set: texts(args, 'set'),
      samples: args['samples'] as number | undefined,
      split: text(args, 'split'),
      out: text(args, 'out'),
      controls: flag(args, 'controls'),
      require: texts(args, 'require'),
      engine: text(args, 'engine') as 'torch' | 'tensorflow' | undefined,
      registry,
      logger: stderrLogger(),
    });
    printResult(
      { ok: unmet.length === 0, folder, figures, unmet: unmet.map(({ where }) => where), ...report },
      table,
      flag(args, 'json'),
    );
    for (const error of unmet) process.stderr.write(`${formatError(error)}\n`);
    return unmet.length === 0 ? 0 : GATE;
  },
};

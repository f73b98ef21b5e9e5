import { type Command, flag, JSON_OPTION, SET_OPTION, text, texts } from '../command.ts';
import { printResult, trainingOutput } from '../output.ts';

/** Exit status after an interrupt. */
export const INTERRUPTED = 130;

/**
 * The first interrupt asks the run to save and stop. For the second nobody listens any more, so that it ends the process even while
 * an engine computes and no JavaScript runs.
 */
export function interruptSignal(tell: (message: string) => void): AbortSignal {
  const controller = new AbortController();
  process.once('SIGINT', () => {
    tell('interrupted: finishing the step, saving, then leaving; once more to leave at once');
    controller.abort();
  });
  return controller.signal;
}

export const train: Command = {
  name: 'train',
  summary: 'Train the stages that the run files describe, one after another',
  positional: '<config..>',
  positionalSummary: 'run files (YAML)',
  options: {
    out: {
      type: 'string',
      demandOption: true,
      requiresArg: true,
      describe: 'Run folder; with several files, the folder of the run folders',
    },
    resume: {
      type: 'boolean',
      default: false,
      describe: 'Go on with the run in --out from its newest good checkpoint',
    },
    ...SET_OPTION,
    ...JSON_OPTION,
  },
  examples: [
    'tristage train configs/examples/first-light.yaml --out runs/first-light',
    'tristage train configs/examples/first-light.yaml --out runs/first-light --resume',
  ],
  run: async (args) => {
    const { logger, display } = trainingOutput();
    const signal = interruptSignal((message) => logger.warn(message));
    const [{ registry }, { trainAll }] = await Promise.all([
      import('../registry.ts'),
      import('../../lib/run/train-all.ts'),
    ]);
    const results = await trainAll({
      files: texts(args, 'config'),
      out: text(args, 'out') ?? '',
      set: texts(args, 'set'),
      resume: flag(args, 'resume'),
      registry,
      logger,
      display,
      signal,
    });
    const lines = results.map(
      ({ folder, summary }) =>
        `${folder}: step ${summary.step} of ${summary.steps}, loss ${summary.lossFirst?.toFixed(4) ?? '-'} -> ${summary.lossLast?.toFixed(4) ?? '-'}`,
    );
    printResult({ ok: true, runs: results }, lines.join('\n'), flag(args, 'json'));
    return signal.aborted ? INTERRUPTED : 0;
  },
};

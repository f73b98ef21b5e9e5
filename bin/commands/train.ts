import { TristageError } from '../../lib/core/errors.ts';
import { type Arguments, type Command, flag, JSON_OPTION, SET_OPTION, text, texts } from '../command.ts';
import { printResult, stderrLogger, trainingOutput } from '../output.ts';

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

/** `--dry-run` */
async function plan(args: Arguments): Promise<number> {
  const [{ registry }, { dryRunAll }] = await Promise.all([
    import('../registry.ts'),
    import('../../lib/run/dry-run.ts'),
  ]);
  const files = texts(args, 'config');
  const runs = await dryRunAll({ files, set: texts(args, 'set'), registry, logger: stderrLogger() });
  const shown = runs.map(({ name, lines }) => [`${name}:`, ...lines.map((line) => `  ${line}`)].join('\n'));
  const data = runs.map(({ lines: _, ...run }) => run);
  printResult({ ok: true, runs: data }, shown.join('\n'), flag(args, 'json'));
  return 0;
}

function outMissing(): TristageError {
  return new TristageError({
    kind: 'usage',
    code: 'E_USAGE',
    message: 'tristage train needs --out',
    fix: 'name the run folder with --out, or take --dry-run to see the plan alone',
  });
}

export const train: Command = {
  name: 'train',
  summary: 'Train the stages that the run files describe, one after another',
  positional: '<config..>',
  positionalSummary: 'run files (YAML)',
  options: {
    out: {
      type: 'string',
      requiresArg: true,
      describe: 'Run folder; with several files, the folder of the run folders (needed unless --dry-run)',
    },
    resume: {
      type: 'boolean',
      default: false,
      describe: 'Go on with the run in --out from its newest good checkpoint',
    },
    'dry-run': {
      type: 'boolean',
      default: false,
      describe: 'Check the files, open the data, build the first batch, print the plan; train nothing',
    },
    ...SET_OPTION,
    ...JSON_OPTION,
  },
  examples: [
    'tristage train configs/examples/first-light.yaml --out runs/first-light',
    'tristage train configs/examples/first-light.yaml --out runs/first-light --resume',
    'tristage train configs/minigptv2/stage1.yaml --dry-run',
  ],
  run: async (args) => {
    if (flag(args, 'dry-run')) return plan(args);
    const out = text(args, 'out');
    if (out === undefined) throw outMissing();
    const { logger, display } = trainingOutput();
    const signal = interruptSignal((message) => logger.warn(message));
    const [{ registry }, { trainAll }] = await Promise.all([
      import('../registry.ts'),
      import('../../lib/run/train-all.ts'),
    ]);
    const results = await trainAll({
      files: texts(args, 'config'),
      out,
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

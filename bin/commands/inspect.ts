import { TristageError } from '../../lib/core/errors.ts';
import { type Arguments, type Command, flag, JSON_OPTION, SET_OPTION, text, texts } from '../command.ts';
import { printResult, stderrLogger } from '../output.ts';

export const inspect: Command = {
  name: 'inspect',
  summary: 'Show samples of a run as training sees them: image, boxes, prompt, tokens, what is trained',
  positional: '[config]',
  positionalSummary: 'run file (YAML)',
  options: {
    source: {
      type: 'string',
      requiresArg: true,
      describe: 'Only this source of the mixture, by name, or one line of it by its place (1, 2, ...)',
    },
    alone: {
      type: 'boolean',
      default: false,
      describe: 'With --source: open no other source, as if this one were the whole mixture',
    },
    n: { type: 'number', requiresArg: true, default: 24, describe: 'Samples to show' },
    each: { type: 'number', requiresArg: true, describe: 'Instead of --n: so many samples of every line' },
    step: { type: 'number', requiresArg: true, default: 0, describe: 'Step of the run to begin with, from 0' },
    html: { type: 'string', requiresArg: true, describe: 'Page to write; without it the texts are printed' },
    ledger: {
      type: 'string',
      requiresArg: true,
      describe: 'Instead: sum up the bad samples of this run folder',
    },
    ...SET_OPTION,
    ...JSON_OPTION,
  },
  examples: [
    'tristage inspect configs/quickstart/stage2.yaml --html stage2.html',
    'tristage inspect configs/minigptv2/stage3.yaml --each 1 --html every-source.html',
    'tristage inspect configs/minigptv2/stage2.yaml --source refcoco --n 8 --html refcoco.html',
    'tristage inspect configs/quickstart/stage2.yaml --step 100 --n 4 --json',
    'tristage inspect --ledger runs/quickstart/stage1',
  ],
  run: async (args) => {
    const file = text(args, 'config');
    const ledger = text(args, 'ledger');
    if ((file === undefined) === (ledger === undefined)) throw notOneThing(file);
    if (ledger !== undefined) return sumUp(ledger, args);
    return show(file ?? '', args);
  },
};

/** `--ledger` */
async function sumUp(folder: string, args: Arguments): Promise<number> {
  const other = ['html', 'source'].find((name) => text(args, name) !== undefined);
  if (other !== undefined) throw usage(`--${other} has no meaning beside --ledger`, `leave out --${other}`);
  const { inspectLedger } = await import('../../lib/run/inspect/ledger.ts');
  const { summary, text: told } = await inspectLedger(folder);
  printResult({ ok: true, ...summary }, told, flag(args, 'json'));
  return 0;
}

async function show(file: string, args: Arguments): Promise<number> {
  const [{ registry }, { inspect: run }, { inspectionData, inspectionText }] = await Promise.all([
    import('../registry.ts'),
    import('../../lib/run/inspect/index.ts'),
    import('../../lib/run/inspect/text.ts'),
  ]);
  const html = text(args, 'html');
  const { inspection, bytes } = await run({
    file,
    set: texts(args, 'set'),
    source: text(args, 'source'),
    alone: flag(args, 'alone'),
    samples: Number(args['n']),
    each: args['each'] as number | undefined,
    step: Number(args['step']),
    html,
    registry,
    logger: stderrLogger(),
  });
  const written = html === undefined ? inspectionText(inspection) : `${html}: ${((bytes ?? 0) / 1e6).toFixed(1)} MB`;
  const page = html === undefined ? {} : { html, bytes };
  printResult({ ok: true, ...page, ...inspectionData(inspection) }, written, flag(args, 'json'));
  return 0;
}

function notOneThing(file: string | undefined): TristageError {
  const fix = 'name the run file whose data is to be shown, or with --ledger the run folder whose bad samples are';
  return file === undefined
    ? usage('tristage inspect needs a run file', fix)
    : usage('a run file and --ledger exclude each other', fix);
}

function usage(message: string, fix: string): TristageError {
  return new TristageError({ kind: 'usage', code: 'E_USAGE', message, fix });
}

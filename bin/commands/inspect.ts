import { TristageError } from '../../lib/core/errors.ts';
import { type Command, flag, JSON_OPTION, SET_OPTION, text } from '../command.ts';
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
    n: { type: 'number', requiresArg: true, default: 24, describe: 'Samples to show' },
    step: { type: 'number', requiresArg: true, default: 0, describe: 'Step of the run to begin with, from 0' },
    html: { type: 'string', requiresArg: true, describe: 'Page to write; without it the texts are printed' },
    ...SET_OPTION,
    ...JSON_OPTION,
  },
  examples: [
    'tristage inspect configs/quickstart/stage2.yaml --html stage2.html',
    'tristage inspect configs/minigptv2/stage2.yaml --source refcoco --n 8 --html refcoco.html',
    'tristage inspect configs/quickstart/stage2.yaml --step 100 --n 4 --json',
  ],
  run: async (args) => {
    const file = text(args, 'config');
    if (file === undefined) throw nothingNamed();
    const [{ registry }, { inspect: run }, { inspectionData, inspectionText }] = await Promise.all([
      import('../registry.ts'),
      import('../../lib/run/inspect/index.ts'),
      import('../../lib/run/inspect/text.ts'),
    ]);
    const html = text(args, 'html');
    const { inspection, bytes } = await run({
      file,
      set: args['set'] as string[],
      source: text(args, 'source'),
      samples: Number(args['n']),
      step: Number(args['step']),
      html,
      registry,
      logger: stderrLogger(),
    });
    const written = html === undefined ? inspectionText(inspection) : `${html}: ${((bytes ?? 0) / 1e6).toFixed(1)} MB`;
    const page = html === undefined ? {} : { html, bytes };
    printResult({ ok: true, ...page, ...inspectionData(inspection) }, written, flag(args, 'json'));
    return 0;
  },
};

function nothingNamed(): TristageError {
  return new TristageError({
    kind: 'usage',
    code: 'E_USAGE',
    message: 'tristage inspect needs a run file',
    fix: 'name the run file whose data is to be shown: tristage inspect CONFIG --html out.html',
  });
}

import { type Command, flag, JSON_OPTION, text } from '../command.ts';
import { printResult, stderrLogger } from '../output.ts';

export const predict: Command = {
  name: 'predict',
  summary: 'Ask a trained run about an image',
  positional: '[question]',
  positionalSummary: 'what is asked; not needed for caption and grounding',
  options: {
    checkpoint: {
      type: 'string',
      demandOption: true,
      requiresArg: true,
      describe: 'Run folder, or one of its checkpoints',
    },
    image: { type: 'string', requiresArg: true, describe: 'Photo to look at (JPEG, PNG, WebP, ...)' },
    task: {
      type: 'string',
      requiresArg: true,
      default: 'caption',
      describe: 'caption, vqa, refer, identify, detection, grounding, conversation or text',
    },
    'max-tokens': { type: 'number', requiresArg: true, default: 60, describe: 'Longest answer in tokens' },
    engine: { type: 'string', requiresArg: true, describe: 'torch or tensorflow; default: as the run was trained' },
    ...JSON_OPTION,
  },
  examples: [
    'tristage predict --checkpoint runs/first-light --image photo.jpg --task caption',
    'tristage predict --checkpoint runs/first-light --image photo.jpg --task vqa "what colour is the car?"',
  ],
  run: async (args) => {
    const [{ registry }, { runPredict }] = await Promise.all([
      import('../registry.ts'),
      import('../../lib/run/predict.ts'),
    ]);
    const prediction = await runPredict({
      checkpoint: text(args, 'checkpoint') ?? '',
      image: text(args, 'image'),
      task: text(args, 'task') ?? '',
      question: text(args, 'question') ?? '',
      maxTokens: Number(args['max-tokens']),
      engine: text(args, 'engine'),
      registry,
      logger: stderrLogger(),
    });
    const boxes = prediction.boxes.map((box) => `box ${box.map((side) => side.toFixed(2)).join(' ')}`);
    printResult({ ok: true, ...prediction }, [prediction.answer, ...boxes].join('\n'), flag(args, 'json'));
    return 0;
  },
};

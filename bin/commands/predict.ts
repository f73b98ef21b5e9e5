import { formatError } from '../../lib/core/errors.ts';
import { type Prediction, predictionText } from '../../lib/run/predict-answer.ts';
import { type Arguments, type Command, flag, JSON_OPTION, text, texts } from '../command.ts';
import { errorData, printResult, stderrLogger } from '../output.ts';

export const predict: Command = {
  name: 'predict',
  summary: 'Ask a trained run or an export about images',
  positional: '[question]',
  positionalSummary: 'what is asked; not needed for caption, grounding and --box',
  options: {
    checkpoint: {
      type: 'string',
      demandOption: true,
      requiresArg: true,
      describe: 'Run folder, one of its checkpoints, or an export',
    },
    image: {
      type: 'string',
      array: true,
      nargs: 1,
      default: [],
      requiresArg: true,
      describe: 'Photo to look at (JPEG, PNG, WebP, ...), folder, or pattern in quotes; repeatable',
    },
    task: {
      type: 'string',
      requiresArg: true,
      default: 'caption',
      describe: 'caption, vqa, refer, identify, detection, grounding, conversation or text',
    },
    box: {
      type: 'string',
      requiresArg: true,
      describe: 'For identify: x1,y1,x2,y2, fractions where none exceeds 1, else pixels',
    },
    out: {
      type: 'string',
      requiresArg: true,
      describe: 'Draw the boxes into this PNG, JPEG or WebP; for several images a folder',
    },
    'max-tokens': { type: 'number', requiresArg: true, default: 60, describe: 'Longest answer in tokens' },
    batch: { type: 'number', requiresArg: true, default: 8, describe: 'Images that are answered at once' },
    vision: { type: 'string', requiresArg: true, describe: 'Where the published vision tower lies now' },
    llm: { type: 'string', requiresArg: true, describe: 'Where the published language model lies now' },
    engine: { type: 'string', requiresArg: true, describe: 'torch or tensorflow; default: as the run was trained' },
    json: {
      ...JSON_OPTION['json'],
      describe: 'Print each answer as a JSON document; for several images one line each',
    },
  },
  examples: [
    'tristage predict --checkpoint runs/first-light --image photo.jpg --task caption',
    'tristage predict --checkpoint runs/first-light --image photo.jpg --task vqa "what colour is the car?"',
    'tristage predict --checkpoint RUN --image photo.jpg --task detection "red apple" --out boxes.png',
    'tristage predict --checkpoint RUN --image photo.jpg --task identify --box 64,96,192,256',
    "tristage predict --checkpoint RUN --image 'photos/*.jpg' --task grounding --out drawn --json",
  ],
  run: async (args) => {
    const [{ registry }, { runPredict }] = await Promise.all([
      import('../registry.ts'),
      import('../../lib/run/predict.ts'),
    ]);
    const { several, predictions } = await runPredict({ ...requestOf(args), registry, logger: stderrLogger() });
    const failures: number[] = [];
    let all = 0;
    for await (const prediction of predictions) {
      all += 1;
      if ('error' in prediction) failures.push(prediction.error.exitStatus);
      tell(prediction, { several, json: flag(args, 'json') });
    }
    if (failures.length > 0) process.stderr.write(`${failures.length} of ${all} images could not be asked about\n`);
    return Math.max(0, ...failures);
  },
};

function requestOf(args: Arguments) {
  const [vision, llm] = [text(args, 'vision'), text(args, 'llm')];
  return {
    checkpoint: text(args, 'checkpoint') ?? '',
    images: texts(args, 'image'),
    task: text(args, 'task') ?? '',
    question: text(args, 'question') ?? '',
    box: text(args, 'box'),
    out: text(args, 'out'),
    maxTokens: Number(args['max-tokens']),
    batch: Number(args['batch']),
    outside: { ...(vision !== undefined && { vision }), ...(llm !== undefined && { llm }) },
    engine: text(args, 'engine'),
  };
}

function tell(prediction: Prediction, { several, json }: { several: boolean; json: boolean }): void {
  if ('error' in prediction) {
    process.stderr.write(`${formatError(prediction.error)}\n`);
    const document = { ok: false, image: prediction.image, errors: [errorData(prediction.error)] };
    if (json) process.stdout.write(`${JSON.stringify(document)}\n`);
  } else if (json && several) {
    process.stdout.write(`${JSON.stringify({ ok: true, ...prediction })}\n`);
  } else {
    printResult({ ok: true, ...prediction }, predictionText(prediction, several), json);
  }
}

/** `tristage predict`: asks a trained run about one image. */

import { closest } from '../config/suggest.ts';
import { TristageError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Box } from '../data/boxes.ts';
import { padRows } from '../data/collate.ts';
import { encodePrompt } from '../data/encode.ts';
import { loadImage } from '../data/image.ts';
import { evaluationInstruction, isIdentified, TASKS, type Task } from '../data/task.ts';
import { type DeviceChoice, ENGINES, type EngineName, openEngine } from '../engine/engine.ts';
import { answerText } from '../eval/answer-text.ts';
import { generate } from '../eval/generate.ts';
import { boxesOfAnswer } from '../eval/parse-answer.ts';
import { tokensPerImage } from '../model/config.ts';
import { disposeMiniGpt, type MiniGpt } from '../model/minigpt.ts';
import type { Registry } from './config.ts';
import { modelConfigOf } from './model-config.ts';
import { openRun } from './open-run.ts';
import { tokenizerOf } from './vocabulary.ts';
import { assembleModel } from './weights.ts';

export interface PredictRequest {
  /** Run folder, or one of its checkpoints. */
  checkpoint: string;
  image?: string | undefined;
  /** One of TASKS. */
  task: string;
  /** Empty where the task needs none. */
  question: string;
  maxTokens: number;
  /** Default: as the run file says. */
  engine?: string | undefined;
  device?: DeviceChoice | undefined;
  registry: Registry;
  logger: Logger;
}

export interface Prediction {
  task: Task;
  /** What was asked, as it stands in the prompt. */
  instruction: string;
  /** What the model said, without special tokens. */
  answer: string;
  /** Boxes in the answer, fractions of the image. */
  boxes: readonly Box[];
  /** Whether the answer ended by itself, before maxTokens. */
  ended: boolean;
}

/** Tasks that say everything in their identifier. */
const WITHOUT_QUESTION: ReadonlySet<Task> = new Set(['caption', 'grounding']);

/**
 * Answers one question by greedy generation.
 * @throws TristageError E_PREDICT for a request that cannot be answered, E_IMAGE for an unreadable photo, E_NO_CHECKPOINT and the
 *   errors of reading a run
 */
export async function runPredict(request: PredictRequest): Promise<Prediction> {
  const { registry, logger, maxTokens } = request;
  const task = taskOf(request.task);
  const instruction = instructionOf(task, request);
  const engineName = engineOf(request.engine);
  const { config, checkpoint } = await openRun(request.checkpoint, { registry });
  const sizes = modelConfigOf(config);
  const image = request.image === undefined ? undefined : { path: request.image };
  const pixels = image && (await loadImage(image, { size: sizes.vision.imageSize, transform: config.data.transform }));
  const tokenizer = await tokenizerOf(checkpoint);
  const { backend, device, threads } = config.engine;
  const engine = await openEngine({ backend: engineName ?? backend, device: request.device ?? device, threads });
  logger.info(`engine: ${engine.backend} ${engine.version} on ${engine.device}`);
  const { model } = await assembleModel({
    config: sizes,
    weights: config.model.weights,
    checkpoint: checkpoint.modelFile,
    trainable: () => false,
    seed: config.train.seed,
  });
  try {
    const prompt = encodePrompt(
      { task, question: instruction, ...(image === undefined ? {} : { image }) },
      { tokenizer, imageTokens: tokensPerImage(sizes) },
    );
    const { tokenIds, ended } = await answer(model, { row: prompt, pixels, maxTokens, eosId: tokenizer.eosId });
    const text = answerText(tokenIds, tokenizer);
    return { task, instruction, answer: text, boxes: boxesOfAnswer(text), ended };
  } finally {
    disposeMiniGpt(model);
  }
}

async function answer(
  model: MiniGpt,
  request: { row: ReturnType<typeof encodePrompt>; pixels: Uint8Array | undefined; maxTokens: number; eosId: number },
) {
  const { row, pixels, maxTokens, eosId } = request;
  const [generated] = await generate(
    model,
    { ...padRows([row], { align: 'left' }), pixels },
    { maxNewTokens: maxTokens, eosId },
  );
  return generated ?? { tokenIds: [], ended: false };
}

function refuse(details: { message: string; found: string; expected: string; fix?: string }): TristageError {
  return new TristageError({ kind: 'usage', code: 'E_PREDICT', ...details });
}

function taskOf(name: string): Task {
  const task = TASKS.find((known) => known === name);
  if (task !== undefined) return task;
  const suggestion = closest(name, TASKS);
  const fix = suggestion === undefined ? {} : { fix: `did you mean --task ${suggestion}?` };
  throw refuse({ message: 'there is no such task', found: name, expected: TASKS.join(', '), ...fix });
}

function engineOf(name: string | undefined): EngineName | undefined {
  if (name === undefined) return undefined;
  const engine = ENGINES.find((known) => known === name);
  if (engine === undefined)
    throw refuse({ message: 'there is no such engine', found: name, expected: ENGINES.join(', ') });
  return engine;
}

function instructionOf(task: Task, { question, image, maxTokens }: PredictRequest): string {
  if (!(Number.isInteger(maxTokens) && maxTokens >= 1 && maxTokens <= 100_000)) {
    throw refuse({
      message: 'the length of the answer is out of range',
      found: String(maxTokens),
      expected: '1 to 100000 tokens',
    });
  }
  if (image === undefined && isIdentified(task)) {
    throw refuse({ message: `the task ${task} is about an image`, found: 'no --image', expected: '--image FILE' });
  }
  if (question.trim() === '' && !WITHOUT_QUESTION.has(task)) {
    throw refuse({ message: `the task ${task} needs a question`, found: 'none', expected: 'a text after the options' });
  }
  return isIdentified(task) ? evaluationInstruction(task, question) : question;
}

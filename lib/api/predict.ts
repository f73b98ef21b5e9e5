/** Asks a trained run about images, for a program. */

import type { Task } from '../data/task.ts';
import type { DeviceChoice, EngineName } from '../engine/engine.ts';
import type { Answered, Prediction } from '../run/predict-answer.ts';
import { loggerOf, type OwnParts, type Progress, registryOf } from './own.ts';

/** What is asked of a trained run. */
export interface PredictSettings extends OwnParts, Progress {
  /** Run folder, or one of its checkpoints. */
  checkpoint: string;
  /** What kind of answer is wanted. */
  task: Task;
  /** The question, expression or name. Default: empty, for tasks that need none. */
  question?: string | undefined;
  /** For `identify`: x1, y1, x2, y2, fractions of the image or pixels. */
  box?: readonly [number, number, number, number] | undefined;
  /** File for the image with the boxes of the answer; for several images a folder. Default: nothing is drawn. */
  out?: string | undefined;
  /** Longest answer in tokens. Default 60. */
  maxTokens?: number | undefined;
  /** Default: as the run was trained. */
  engine?: EngineName | undefined;
  /** Default: as the run was trained. */
  device?: DeviceChoice | undefined;
}

/** A question about one image, or about none. */
export interface PredictRequest extends PredictSettings {
  /** Image file; needed for the tasks that have an identifier. */
  image?: string | undefined;
}

/** One question about several images. */
export interface PredictAllRequest extends PredictSettings {
  /** Image files, folders and patterns. */
  images: readonly string[];
  /** Images that are answered at once. Default 8. */
  batch?: number | undefined;
}

/** As the command line has them. */
const MAX_TOKENS = 60;
const BATCH = 8;

/**
 * Answers a question by greedy generation.
 * @throws TristageError E_PREDICT, E_BOX_ARGUMENT and E_OUT for a request that cannot be answered, E_IMAGE for an unreadable photo,
 *   E_NO_CHECKPOINT and the errors of reading a run
 */
export async function predict({ image, ...settings }: PredictRequest): Promise<Answered> {
  for await (const prediction of predictAll({ ...settings, images: image === undefined ? [] : [image] })) {
    if ('error' in prediction) throw prediction.error;
    return prediction;
  }
  throw new Error('a question without answer');
}

/**
 * Asks the same of several images. The model is read when the first answer is asked for, and freed after the last.
 * @returns answers in the order of the images; an image that cannot be asked about has its error in its place
 * @throws TristageError as `predict` for what concerns all images
 */
export async function* predictAll(request: PredictAllRequest): AsyncGenerator<Prediction, void, undefined> {
  const { sources, stages, question = '', box, maxTokens = MAX_TOKENS, batch = BATCH, ...settings } = request;
  const { runPredict } = await import('../run/predict.ts');
  const { predictions } = await runPredict({
    ...settings,
    question,
    box: box?.join(','),
    maxTokens,
    batch,
    registry: await registryOf({ sources, stages }),
    logger: loggerOf(settings),
  });
  yield* predictions;
}

/** `tristage predict`: asks a trained run or an export about images. */

import { TristageError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { ImageSize } from '../data/boxes.ts';
import { padRows } from '../data/collate.ts';
import { encodePrompt } from '../data/encode.ts';
import { decodeImage } from '../data/image.ts';
import { readImageSize } from '../data/image-bytes.ts';
import { asksForRotation, type ImageFiles, imageFiles } from '../data/image-files.ts';
import type { Task } from '../data/task.ts';
import type { EngineName } from '../engine/engine.ts';
import { tf } from '../engine/tf.ts';
import { answerBoxes, inBothUnits } from '../eval/answer-boxes.ts';
import { answerText } from '../eval/answer-text.ts';
import { generate } from '../eval/generate.ts';
import { tokensPerImage } from '../model/config.ts';
import { disposeMiniGpt, projectImages } from '../model/minigpt.ts';
import { seenTokens } from '../model/vision/seen.ts';
import { type Answerer, type AnswererRequest, openAnswerer } from './open-answerer.ts';
import type { Prediction, Unanswered } from './predict-answer.ts';
import { drawAnswer, picturePaths } from './predict-pictures.ts';
import {
  type AskedQuestion,
  type CheckedRequest,
  checkQuestion,
  engineOf,
  type Instruction,
  instructionFor,
} from './predict-request.ts';

/** A question with what is asked. */
export type PredictRequest = CheckedRequest & Omit<AnswererRequest, 'engine'>;

export interface Predictions {
  /** Whether more than one image could have been meant: a fault of one of them then leaves the others. */
  several: boolean;
  /** In the order of the images. The model is read when the first one is asked for, and given back after the last. */
  predictions: AsyncIterable<Prediction>;
}

/**
 * Answers one question about each image by greedy generation, several images at once, in their order. One image alone that cannot
 * be asked about is an error; of several, it is reported in its place and the others are answered.
 * @throws TristageError E_PREDICT, E_BOX_ARGUMENT and E_OUT for a request that cannot be answered, before anything is opened;
 *   E_IMAGE for an unreadable photo, and the errors of `openAnswerer`
 */
export async function runPredict(request: PredictRequest): Promise<Predictions> {
  const question = checkQuestion(request);
  const engineName = engineOf(request.engine);
  const images = await imageFiles(request.images);
  const pictures = request.out === undefined ? new Map<string, string>() : picturePaths(request.out, images);
  const { several } = images;
  return { several, predictions: answers(request, { question, engineName, images, pictures }) };
}

async function* answers(
  request: PredictRequest,
  checked: {
    question: AskedQuestion;
    engineName: EngineName | undefined;
    images: ImageFiles;
    pictures: ReadonlyMap<string, string>;
  },
): AsyncGenerator<Prediction> {
  const { question, images, pictures } = checked;
  const { several } = images;
  const { logger } = request;
  const opened = await openAnswerer({ ...request, engine: checked.engineName });
  try {
    const asked: (string | undefined)[] = images.files.length === 0 ? [undefined] : images.files;
    for (let first = 0; first < asked.length; first += request.batch) {
      const group: Prepared[] = [];
      for (const file of asked.slice(first, first + request.batch))
        group.push(await prepare(file, { question, opened, logger }));
      for (const prediction of await answerGroup(group, { question, opened, request })) {
        if ('error' in prediction && !several) throw prediction.error;
        yield await withPicture(prediction, { pictures, several, logger });
      }
    }
  } finally {
    await opened.features?.close();
    disposeMiniGpt(opened.model);
  }
}

interface Ready extends Instruction {
  image?: Looked & { file: string };
}

/** What a model needs of an image: its pixels, or what the tower made of them where that is cached. */
interface Looked {
  size: ImageSize;
  pixels?: Uint8Array;
  seen?: Float32Array;
}

type Prepared = Ready | Unanswered;

/** Reads an image and words the question about it. */
async function prepare(
  file: string | undefined,
  { question, opened, logger }: { question: AskedQuestion; opened: Answerer; logger: Logger },
): Promise<Prepared> {
  if (file === undefined) return instructionFor(question);
  try {
    const looked = await look(file, opened);
    const instruction = instructionFor(question, { ...looked.size, name: file });
    if (await asksForRotation(file)) {
      logger.warn(
        `${file} says that it is to be shown rotated or mirrored (EXIF); as in training, its pixels are taken as they are stored`,
      );
    }
    return { ...instruction, image: { file, ...looked } };
  } catch (error) {
    if (error instanceof TristageError && BORNE.has(error.code)) return { image: file, error };
    throw error;
  }
}

async function look(file: string, { features, load }: Answerer): Promise<Looked> {
  if (features !== undefined) {
    const image = { path: file };
    const size = await readImageSize(image);
    return { size, seen: (await features.see([image]))[0] as Float32Array };
  }
  const { data: pixels, ...size } = await decodeImage({ path: file });
  return { size, pixels: await load({ pixels, ...size, name: file }) };
}

/** Faults of one image, beside which others can be answered. */
const BORNE: ReadonlySet<string> = new Set(['E_IMAGE', 'E_BOX_ARGUMENT']);

async function answerGroup(
  group: readonly Prepared[],
  { question, opened, request }: { question: AskedQuestion; opened: Answerer; request: PredictRequest },
): Promise<Prediction[]> {
  const ready = group.filter((one): one is Ready => !('error' in one));
  const answers = await answersOf(ready, { task: question.task, opened, maxTokens: request.maxTokens });
  return group.map((one): Prediction => {
    if ('error' in one) return one;
    const { answer, ended } = answers.get(one) as { answer: string; ended: boolean };
    const { image, instruction, box } = one;
    return {
      ...(image === undefined ? {} : { image: image.file, size: image.size }),
      task: question.task,
      question: question.text,
      instruction,
      ...(box === undefined ? {} : { asked: inBothUnits(box, image?.size) }),
      answer,
      boxes: answerBoxes(answer, image?.size),
      ended,
    };
  });
}

async function answersOf(
  ready: readonly Ready[],
  { task, opened, maxTokens }: { task: Task; opened: Answerer; maxTokens: number },
): Promise<Map<Ready, { answer: string; ended: boolean }>> {
  if (ready.length === 0) return new Map();
  const { model, tokenizer } = opened;
  const options = { tokenizer, imageTokens: tokensPerImage(model.config) };
  const rows = ready.map(({ instruction, image }) =>
    encodePrompt(
      { task, question: instruction, ...(image === undefined ? {} : { image: { path: image.file } }) },
      options,
    ),
  );
  const pixels = ready.flatMap(({ image }) => image?.pixels ?? []);
  const seen = ready.flatMap(({ image }) => image?.seen ?? []);
  const features = seen.length === 0 ? undefined : tf.tidy(() => projectImages(model, seenTokens(seen, model.config)));
  const said = await generate(
    model,
    { ...padRows(rows, { align: 'left' }), pixels: pixels.length === 0 ? undefined : Buffer.concat(pixels), features },
    { maxNewTokens: maxTokens, eosId: tokenizer.eosId },
  );
  features?.dispose();
  return new Map(
    ready.map((one, row) => {
      const { tokenIds = [], ended = false } = said[row] ?? {};
      return [one, { answer: answerText(tokenIds, tokenizer), ended }];
    }),
  );
}

/** Draws where a picture is wanted. */
async function withPicture(
  prediction: Prediction,
  { pictures, several, logger }: { pictures: ReadonlyMap<string, string>; several: boolean; logger: Logger },
): Promise<Prediction> {
  const { image } = prediction;
  const path = image === undefined ? undefined : pictures.get(image);
  if (image === undefined || path === undefined || 'error' in prediction) return prediction;
  const about = several ? `${image}: ` : '';
  if (prediction.boxes.length === 0) logger.info(`${about}there is no box in the answer`);
  const leftOut = await drawAnswer({ ...prediction, image }, path);
  if (leftOut > 0) logger.warn(`${about}labels that found no room on the picture: ${leftOut}`);
  return { ...prediction, picture: path };
}

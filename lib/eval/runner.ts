/** A model's answers to the questions of an evaluation: greedy, many at a time, each image encoded once. */

import { padRows } from '../data/collate.ts';
import { encodePrompt } from '../data/encode.ts';
import type { Example, ImageRef, Sample } from '../data/sample.ts';
import type { Task } from '../data/task.ts';
import type { Tokenizer } from '../data/tokenizer.ts';
import { tokensPerImage } from '../model/config.ts';
import type { MiniGpt } from '../model/minigpt.ts';
import type { Answer } from './answer.ts';
import { answerText } from './answer-text.ts';
import type { FeatureCache } from './feature-cache.ts';
import { generate } from './generate.ts';

export interface AnswerRequest {
  model: MiniGpt;
  tokenizer: Tokenizer;
  /** Each with at least one turn. */
  samples: readonly Sample[];
  /** Of this model. */
  features: FeatureCache;
  /** Questions that are answered at once. */
  batch: number;
  /** Longest answers in tokens. */
  maxNewTokens: Readonly<Record<Task, number>>;
  /** Called after each batch. */
  onProgress?: ((done: number, all: number) => void) | undefined;
}

interface Question {
  place: number;
  sample: Sample;
  prompt: Example;
}

/**
 * Answers every sample's last question.
 * @returns answers in the order of the samples; no tensor stays behind but what `features` keeps
 * @throws TristageError E_IMAGE for an image that cannot be read, and the errors of encoding
 */
export async function answerSamples(request: AnswerRequest): Promise<Answer[]> {
  const { model, tokenizer, samples, features, batch, onProgress } = request;
  const options = { tokenizer, imageTokens: tokensPerImage(model.config) };
  const questions = samples.map((sample, place): Question => {
    const { id, task, image } = sample;
    const last = { id, task, question: lastTurn(sample).question, history: sample.turns.slice(0, -1) };
    return { place, sample, prompt: encodePrompt(image === undefined ? last : { ...last, image }, options) };
  });
  const answers = new Array<Answer>(samples.length);
  let done = 0;
  for (const group of groupsOf(questions, features.capacity)) {
    for (const together of batchesOf(group, batch)) {
      for (const [place, answer] of await answerBatch(request, together)) answers[place] = answer;
      done += together.length;
      onProgress?.(done, samples.length);
      // Lets signals in: an engine may compute for minutes without ever returning to the event loop.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return answers;
}

function lastTurn({ turns }: Sample) {
  return turns.at(-1) as Sample['turns'][number];
}

/** Cuts questions into groups of at most `most` different images, all questions about an image in one group. */
function groupsOf(questions: readonly Question[], most: number): Question[][] {
  const rank = new Map<ImageRef | undefined, number>([[undefined, 0]]);
  const groups: Question[][] = [];
  for (const question of questions) {
    const { image } = question.sample;
    const own = rank.get(image) ?? rank.size - 1;
    rank.set(image, own);
    const group = Math.floor(own / most);
    groups[group] ??= [];
    groups[group].push(question);
  }
  return groups;
}

/** Questions of one task whose prompts are about equally long, `most` at a time. */
function batchesOf(questions: readonly Question[], most: number): Question[][] {
  const length = ({ prompt }: Question): number => prompt.tokenIds.length;
  const sorted = [...questions].sort(
    (a, b) => compare(a.sample.task, b.sample.task) || length(a) - length(b) || a.place - b.place,
  );
  const batches: Question[][] = [];
  for (const question of sorted) {
    const open = batches.at(-1);
    const fits = open !== undefined && open.length < most && open[0]?.sample.task === question.sample.task;
    if (fits) open.push(question);
    else batches.push([question]);
  }
  return batches;
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

async function answerBatch(request: AnswerRequest, questions: readonly Question[]): Promise<[number, Answer][]> {
  const { model, tokenizer, features, maxNewTokens } = request;
  const images = questions.flatMap(({ sample }) => sample.image ?? []);
  const seen = images.length === 0 ? undefined : await features.features(images);
  try {
    const rows = await generate(
      model,
      {
        ...padRows(
          questions.map(({ prompt }) => prompt),
          { align: 'left' },
        ),
        features: seen,
      },
      { maxNewTokens: maxNewTokens[questions[0]?.sample.task ?? 'text'], eosId: tokenizer.eosId },
    );
    return questions.map(({ place, sample }, row) => {
      const { tokenIds = [], ended = false } = rows[row] ?? {};
      return [place, answerOf(sample, answerText(tokenIds, tokenizer), ended)];
    });
  } finally {
    seen?.dispose();
  }
}

function answerOf(sample: Sample, answer: string, ended: boolean): Answer {
  return { ...unanswered(sample), answer, ended };
}

/** A sample's question before a model has seen it. */
export function unanswered(sample: Sample): Answer {
  const { id, source, task, truth } = sample;
  const { question, answer: reference } = lastTurn(sample);
  return { id, source, task, question, reference, answer: '', ended: false, ...(truth === undefined ? {} : { truth }) };
}

/** From answers to the table of metrics of one model, and to the chance that stands beside it. */

import { TristageError } from '../../core/errors.ts';
import { keyOfText } from '../../core/rng.ts';
import type { SceneObject, Truth } from '../../data/sample.ts';
import type { Task } from '../../data/task.ts';
import { firstBoxOfAnswer, namedBoxesOfAnswer } from '../parse-answer.ts';
import {
  bestConstantBox,
  bestConstantCaption,
  bestConstantDetection,
  bestConstantGrounding,
  bestConstantText,
} from './baseline.ts';
import { type BoxItem, boxAccuracy } from './box-accuracy.ts';
import { captionObjectF1 } from './caption-objects.ts';
import { detectionF1, type ObjectsItem } from './detection.ts';
import { accuracyByType, exactMatch, groupByType } from './exact-match.ts';
import { groundingF1 } from './grounding.ts';
import { type Estimate, meanEstimate, wilson } from './interval.ts';
import { namesOfTruths } from './names.ts';
import { meanTokenF1 } from './token-f1.ts';
import { vqaAccuracy } from './vqa.ts';

/** One question that a model has answered. */
export interface Prediction {
  readonly id: string;
  readonly task: Task;
  /** The right answer as the source writes it. */
  readonly reference: string;
  /** What the model wrote. */
  readonly answer: string;
  readonly truth?: Truth;
}

/** The tasks with a metric of their own, in the order in which they are shown. */
export const SCORED_TASKS = ['refer', 'identify', 'vqa', 'detection', 'grounding', 'caption'] as const;
/** A task with a metric of its own. */
export type ScoredTask = (typeof SCORED_TASKS)[number];

/** The figures of one model; a task without questions is absent. */
export interface Metrics {
  /** One figure a task: accuracy at IoU 0.5, exact match, mean accuracy of the question types, F1, F1, object F1. */
  readonly tasks: Partial<Record<ScoredTask, Estimate>>;
  /** More figures, by name: `refer.meanIou`, `refer.answered`, `vqa.<type>`, `vqa.official`, `caption.exact`, `caption.tokenF1`. */
  readonly details: Readonly<Record<string, Estimate>>;
}

export interface SummaryOptions {
  /** Seed of the bootstrap intervals. */
  seed?: number;
  /** Names of the objects by which captions and phrases are read. Default: those of all truths. */
  names?: readonly string[];
}

/** VQA accuracy as the challenge counts it, of the questions that several people answered. */
const OFFICIAL = 'official';
/** The type of [vqa] questions whose source names none. */
const UNTYPED = 'all';

/**
 * The metrics of one model.
 * @param predictions all its answers; conversation and text have no metric and are passed over
 * @throws TristageError E_TRUTH for a [refer] question whose right box is unknown
 */
export function summarise(predictions: readonly Prediction[], options: SummaryOptions = {}): Metrics {
  const of = (task: ScoredTask): Prediction[] => predictions.filter((one) => one.task === task);
  const { seed = 0, names = namesOfTruths(predictions.flatMap(({ truth }) => truth ?? [])) } = options;
  const seedOf = (name: string): number => keyOfText(`${seed} ${name}`);
  const tasks: Partial<Record<ScoredTask, Estimate>> = {};
  const details: Record<string, Estimate> = {};

  const refer = of('refer').map(boxItem);
  if (refer.length > 0) {
    const { accuracy, meanIou } = boxAccuracy(refer, { seed: seedOf('refer') });
    tasks.refer = accuracy;
    details['refer.meanIou'] = meanIou;
    details['refer.answered'] = wilson(refer.filter(({ answer }) => firstBoxOfAnswer(answer)).length, refer.length);
  }
  const identify = of('identify');
  if (identify.length > 0) tasks.identify = exactMatch(identify);
  const vqa = of('vqa').map(typedItem);
  if (vqa.length > 0) {
    const { mean, types } = accuracyByType(vqa, { seed: seedOf('vqa') });
    tasks.vqa = mean;
    for (const [type, estimate] of Object.entries(types)) details[`vqa.${type}`] = estimate;
  }
  const judged = of('vqa').flatMap(judgedByPeople);
  if (judged.length > 0) details[`vqa.${OFFICIAL}`] = meanEstimate(judged, seedOf('vqa official'));
  const detection = of('detection').map(detectionItem);
  if (detection.length > 0) tasks.detection = detectionF1(detection, { names, seed: seedOf('detection') });
  const grounding = of('grounding').map(groundingItem);
  if (grounding.length > 0) tasks.grounding = groundingF1(grounding, { names, seed: seedOf('grounding') });
  const captions = of('caption');
  if (captions.length > 0) {
    details['caption.exact'] = exactMatch(captions);
    details['caption.tokenF1'] = meanTokenF1(captions, seedOf('caption tokenF1'));
  }
  const scenes = captions.flatMap(captionItem);
  if (scenes.length > 0) tasks.caption = captionObjectF1(scenes, { names, seed: seedOf('caption') });
  return { tasks, details };
}

/**
 * Chance: the metrics of a model that gives one constant answer to every question of a task (for [vqa], of a question type), the best
 * one for these very questions. The captions of `caption` and of its details are two different constants.
 */
export function summariseChance(predictions: readonly Prediction[], options: { seed?: number } = {}): Metrics {
  const constants = constantAnswers(predictions);
  const answered = predictions.map((one) => ({ ...one, answer: constants.get(keyOf(one)) ?? '' }));
  const { tasks, details } = summarise(answered, options);
  const captions = predictions.filter(({ task }) => task === 'caption');
  if (captions.length === 0) return { tasks, details };
  const constant = bestConstantText(captions.map(({ reference }) => reference));
  const exact = exactMatch(captions.map(({ reference }) => ({ reference, answer: constant })));
  const overlap = meanTokenF1(
    captions.map(({ reference }) => ({ reference, answer: constant })),
    options.seed ?? 0,
  );
  return { tasks, details: { ...details, 'caption.exact': exact, 'caption.tokenF1': overlap } };
}

/** The best constant answer under the key of each group of questions. */
function constantAnswers(predictions: readonly Prediction[]): Map<string, string> {
  const constants = new Map<string, string>();
  for (const [key, group] of groupByType(predictions.map((one) => ({ ...one, type: keyOf(one) })))) {
    const references = group.map(({ reference }) => reference);
    switch (group[0]?.task) {
      case 'refer':
        constants.set(key, bestConstantBox(group.map(boxItem).map(({ target }) => target)));
        break;
      case 'detection':
        constants.set(key, bestConstantDetection(group.map((one) => detectionItem(one).objects)));
        break;
      case 'grounding':
        constants.set(key, bestConstantGrounding(group.map((one) => groundingItem(one).objects)));
        break;
      case 'caption':
        constants.set(key, bestConstantCaption(group.flatMap(captionItem).map(({ names }) => names)));
        break;
      default:
        constants.set(key, bestConstantText(references));
    }
  }
  return constants;
}

/** Questions of one key share a constant answer. */
function keyOf(prediction: Prediction): string {
  return prediction.task === 'vqa' ? `vqa ${typedItem(prediction).type}` : prediction.task;
}

function typedItem({ reference, answer, truth }: Prediction) {
  return { reference, answer, type: truth?.questionType ?? UNTYPED };
}

function judgedByPeople({ answer, truth }: Prediction): number[] {
  return truth?.answers === undefined ? [] : [vqaAccuracy({ prediction: answer, answers: truth.answers })];
}

/** The exact target, or else the box of the reference. */
function boxItem({ id, reference, answer, truth }: Prediction): BoxItem {
  const target = truth?.target ?? firstBoxOfAnswer(reference);
  if (target !== undefined) return { target, answer };
  throw new TristageError({
    kind: 'data',
    code: 'E_TRUTH',
    message: 'a [refer] question has no box to compare with',
    where: id,
    found: reference.slice(0, 80),
    expected: 'a reference answer with a box such as {<10><20><30><40>}, or truth.target',
    fix: 'correct the source, or leave the question out of the evaluation',
  });
}

/** A [detection] question names what to look for, so its reference holds the truth and not the whole scene. */
function detectionItem({ reference, answer }: Prediction): ObjectsItem {
  return { objects: namedBoxesOfAnswer(reference), answer };
}

function groundingItem({ reference, answer, truth }: Prediction): ObjectsItem {
  const objects: readonly SceneObject[] | undefined = truth?.objects;
  return { objects: objects ?? namedBoxesOfAnswer(reference), answer };
}

function captionItem({ answer, truth }: Prediction): { names: string[]; answer: string }[] {
  return truth?.objects === undefined ? [] : [{ names: truth.objects.map(({ name }) => name), answer }];
}

/**
 * VQA accuracy: the official measure, the second copy that LAVIS carries, and VizWiz's. An answer counts by how many of the other
 * annotators gave it. (VQA evaluation code; LAVIS: vqa_eval.py; MiniGPT-v2: eval_vqa.py)
 */

import { stripText } from '../../data/text-clean.ts';
import { mean, roundHalfEven } from './numbers.ts';
import { normalisePunctuation, normaliseWords } from './vqa-normalise.ts';

/** A prediction with all annotators' answers. */
export interface VqaItem {
  prediction: string;
  answers: readonly string[];
}

/** Annotators that must agree for full marks. */
const FULL_MARKS = 3;

/** What the evaluation does to a generated text before it is scored. */
export function cleanPrediction(text: string): string {
  return stripText(text.toLowerCase().replaceAll('<unk>', ''));
}

/**
 * Official accuracy of one answer, 0..1. Nothing is normalised where all annotators agree.
 * @param item the prediction as generated
 */
export function vqaAccuracy({ prediction, answers }: VqaItem): number {
  const given = answers.map(plainSpaces);
  const found = plainSpaces(cleanPrediction(prediction));
  if (new Set(given).size <= 1)
    return leaveOneOut(
      found.toLowerCase(),
      given.map((text) => text.toLowerCase()),
    );
  const normalise = (text: string): string => normaliseWords(normalisePunctuation(text));
  return leaveOneOut(
    normalise(found).toLowerCase(),
    given.map((text) => normalise(text).toLowerCase()),
  );
}

/**
 * Accuracy by the copy in LAVIS, 0..1: the prediction is always normalised, the annotators' answers only lose punctuation, and
 * case counts.
 */
export function vqaAccuracyLavis({ prediction, answers }: VqaItem): number {
  const found = normaliseWords(normalisePunctuation(plainSpaces(cleanPrediction(prediction))));
  const agree = new Set(answers).size <= 1;
  return leaveOneOut(found, agree ? answers : answers.map(normalisePunctuation));
}

/** VizWiz accuracy of one answer, 0..1: a third of a mark for each annotator who gave it; case does not count. */
export function vizwizAccuracy({ prediction, answers }: VqaItem): number {
  const found = prediction.toLowerCase();
  return Math.min(answers.filter((answer) => answer.toLowerCase() === found).length / FULL_MARKS, 1);
}

/** Overall accuracy in percent, two decimals, as the official code prints it. */
export function overallAccuracy(accuracies: readonly number[]): number {
  return roundHalfEven(mean(accuracies, 100), 2);
}

/** Accuracy of one question in percent, two decimals. */
export function questionAccuracy(accuracy: number): number {
  return roundHalfEven(100 * accuracy, 2);
}

/** Mean over annotators of the marks that the others give. */
function leaveOneOut(found: string, answers: readonly string[]): number {
  const matches = answers.filter((answer) => answer === found).length;
  return mean(answers.map((answer) => Math.min(1, (matches - (answer === found ? 1 : 0)) / FULL_MARKS)));
}

function plainSpaces(text: string): string {
  return stripText(text.replaceAll('\n', ' ').replaceAll('\t', ' '));
}

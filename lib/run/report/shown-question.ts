/** One question of a gallery: the right answer and the given ones with their boxes and how right they are. */

import type { Answer } from '../../eval/answer.ts';
import { namesOfTruths } from '../../eval/metrics/names.ts';
import { SCORED_TASKS, summarise } from '../../eval/metrics/summary.ts';
import { firstBoxOfAnswer, namedBoxesOfAnswer } from '../../eval/parse-answer.ts';
import type { NamedPictureBox, ShownAnswer, ShownQuestion } from '../../report/html/report.ts';

/** The names of all objects that a set of answers knows of; captions and phrases are read by them. */
export function namesOfAnswers(answers: readonly Answer[]): string[] {
  return namesOfTruths(answers.flatMap(({ truth }) => truth ?? []));
}

/**
 * @param asked one of the answers, for what all share
 * @param given answers of the runs, each with the names of its evaluation; undefined where a run was not asked
 */
export function shownQuestion(
  asked: Answer,
  given: readonly { answer: Answer | undefined; names: readonly string[] }[],
): ShownQuestion {
  const { task, question, reference } = asked;
  return {
    task,
    question,
    reference,
    truth: trueBoxes(asked),
    answers: given.map(({ answer, names }) => answer && shownAnswer(answer, names)),
  };
}

/** The boxes that a right answer would have. */
function trueBoxes({ task, reference, truth }: Answer): NamedPictureBox[] {
  if (task === 'refer') {
    const target = truth?.target ?? firstBoxOfAnswer(reference);
    return target === undefined ? [] : [{ name: '', box: target }];
  }
  return task === 'grounding' && truth?.objects !== undefined ? [...truth.objects] : namedBoxesOfAnswer(reference);
}

function shownAnswer(answer: Answer, names: readonly string[]): ShownAnswer {
  const { tasks, details } = summarise([answer], { names });
  const score = SCORED_TASKS.map((task) => tasks[task]?.value).find((value) => value !== undefined);
  const overlap = answer.task === 'refer' ? details['refer.meanIou']?.value : undefined;
  return {
    text: answer.answer,
    boxes: namedBoxesOfAnswer(answer.answer),
    score,
    ...(overlap !== undefined && { note: `IoU ${overlap.toFixed(2)}` }),
  };
}

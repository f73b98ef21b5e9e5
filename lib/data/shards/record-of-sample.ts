/** A sample of any source as a record of own data (docs/how-to/own-data.md), from which the same sample is read again. */

import type { Box } from '../boxes.ts';
import { MAX_ID_LENGTH, type OwnRecord, readRecord } from '../own-record.ts';
import type { Sample, Turn } from '../sample.ts';
import { drawInstruction, isIdentified, type Pick, type Task, taskIdentifier } from '../task.ts';

/** The draws with which a sample is to be made: the first of all wordings, which {@link recordOfSample} takes off again. */
export const firstDraw: Pick = () => 0;

/** Name of the boxes in a record: the texts name none, for there they stand as they are trained on. */
const BOXES = 'all';

/**
 * @param sample made with {@link firstDraw}
 * @returns the record, which says nothing of the image, or what of the sample has no place in a record
 */
export function recordOfSample(sample: Sample): { record: OwnRecord } | { fault: string } {
  const { id, task, boxes = [] } = sample;
  const turns: OwnRecord['turns'] = [];
  for (const turn of sample.turns) {
    const question = contentOf(turn, task);
    if (question === undefined) return { fault: `a question without ${taskIdentifier(task)}` };
    turns.push(question === '' ? { answer: turn.answer } : { question, answer: turn.answer });
  }
  const record = {
    ...(id.length > MAX_ID_LENGTH ? {} : { id }),
    task,
    turns,
    ...(boxes.length === 0 ? {} : boxesOf(boxes)),
  };
  const read = readRecord(sample.image === undefined ? record : { ...record, image: 'beside' }, task);
  return 'faults' in read ? { fault: read.faults } : { record };
}

function boxesOf(boxes: readonly Box[]): Required<globalThis.Pick<OwnRecord, 'boxes' | 'unit'>> {
  return { boxes: { [BOXES]: boxes.map(([...corners]) => corners) }, unit: 'fractions' };
}

/** What a question asks about, without the identifier and the wording that reading puts around it again. */
function contentOf({ question }: Turn, task: Task): string | undefined {
  if (!isIdentified(task)) return question;
  if (question === drawInstruction(task, '', firstDraw)) return '';
  const identifier = `${taskIdentifier(task)} `;
  return question.startsWith(identifier) ? question.slice(identifier.length) : undefined;
}

/**
 * The files of VQAv2 and OK-VQA: the official pair of questions and annotations, joined by question id, or the joined list that LAVIS
 * circulates. Both are read item by item.
 */

import type { RowScan } from '../lib/data/row-source.ts';
import { jsonArrayItems } from '../lib/formats/json-stream.ts';
import { firstByte, malformedRow, recordOf } from './annotation-files.ts';
import { countAnswers, type ShortAnswered } from './short-answers.ts';

/** The files of one part. */
export interface VqaFiles {
  /** Official annotations, or a joined list. */
  annotations: string;
  /** Official questions; a joined list needs none. */
  questions?: string | undefined;
}

/** One question with what is needed to find its image. */
export interface VqaRow {
  id: string;
  imageId: number | undefined;
  /** As a joined list writes it. */
  fileName: string | undefined;
  record: ShortAnswered;
}

type Fields = Readonly<Record<string, unknown>>;

/** Which key of an annotation says the kind of question. */
export type TypeKey = 'answer_type' | 'question_type';

/** True for the joined list. */
export async function isJoinedList(path: string): Promise<boolean> {
  return (await firstByte(path)) === '[';
}

/**
 * The questions of one part, in an order that the files alone decide.
 * @throws TristageError of kind `data` for another shape
 */
export function vqaRows(files: VqaFiles, { scan, type }: { scan: RowScan; type: TypeKey }): AsyncIterable<VqaRow> {
  const { annotations, questions } = files;
  return questions === undefined ? joinedRows(annotations, scan) : officialRows({ annotations, questions, scan, type });
}

async function* joinedRows(path: string, scan: RowScan): AsyncIterable<VqaRow> {
  let place = 0;
  for await (const item of jsonArrayItems(path)) {
    const where = `${path}, row ${place}`;
    place += 1;
    const { question_id: id, question, answer, image } = recordOf(item) ?? {};
    if (!(isId(id) && typeof question === 'string' && typeof image === 'string')) {
      throw malformedRow(where, { found: item, expected: 'question_id, question, answer and image' });
    }
    const answers = countAnswers([answer].flat().filter((one) => typeof one === 'string'));
    if (answers.length === 0) scan.reject('no answer', where);
    else if (question.trim() === '') scan.reject('no question', where);
    else yield { id: String(id), imageId: undefined, fileName: image, record: { question, answers } };
  }
}

interface OfficialFiles {
  annotations: string;
  questions: string;
  scan: RowScan;
  type: TypeKey;
}

/** Both files are read side by side: published in one order, they need no memory; in another, what is ahead waits for its partner. */
async function* officialRows({ annotations, questions, scan, type }: OfficialFiles): AsyncIterable<VqaRow> {
  const waiting = { asked: new Map<unknown, Fields>(), answered: new Map<unknown, Fields>() };
  const one = jsonArrayItems(questions, { key: 'questions' })[Symbol.asyncIterator]();
  const other = jsonArrayItems(annotations, { key: 'annotations' })[Symbol.asyncIterator]();
  for (;;) {
    const [question, annotation] = [await one.next(), await other.next()];
    if (question.done && annotation.done) break;
    if (!question.done) keep(waiting.asked, question.value, questions);
    if (!annotation.done) keep(waiting.answered, annotation.value, annotations);
    for (const id of idsOf(question.value, annotation.value)) {
      const asked = waiting.asked.get(id);
      const answered = waiting.answered.get(id);
      if (asked === undefined || answered === undefined) continue;
      waiting.asked.delete(id);
      waiting.answered.delete(id);
      const row = officialRow({ asked, answered, type, where: `question ${id}`, scan });
      if (row !== undefined) yield row;
    }
  }
  for (const id of waiting.asked.keys()) scan.reject('no answer', `question ${id}`);
  for (const id of waiting.answered.keys()) scan.reject('no question', `annotation of question ${id}`);
}

function keep(map: Map<unknown, Fields>, item: unknown, path: string): void {
  const fields = recordOf(item);
  if (fields === undefined || !isId(fields['question_id'])) {
    throw malformedRow(path, { found: item, expected: 'question_id and image_id' });
  }
  map.set(fields['question_id'], fields);
}

function idsOf(...items: unknown[]): Set<unknown> {
  return new Set(items.flatMap((item) => recordOf(item)?.['question_id'] ?? []));
}

function officialRow({
  asked,
  answered,
  type,
  where,
  scan,
}: {
  asked: Fields;
  answered: Fields;
  type: TypeKey;
  where: string;
  scan: RowScan;
}): VqaRow | undefined {
  const { question, image_id: imageId, question_id: id } = asked;
  const { answers, multiple_choice_answer: chosen, [type]: kind } = answered;
  if (typeof question !== 'string' || typeof imageId !== 'number') {
    throw malformedRow(where, { found: asked, expected: 'question and image_id' });
  }
  const given = (Array.isArray(answers) ? answers : []).map((answer) => recordOf(answer)?.['answer']);
  const counted = countAnswers(
    given.filter((answer) => typeof answer === 'string'),
    typeof chosen === 'string' ? chosen : undefined,
  );
  if (counted.length === 0) scan.reject('no answer', where);
  else if (question.trim() === '') scan.reject('no question', where);
  else {
    const record = { question, answers: counted, ...(typeof kind === 'string' ? { type: kind } : {}) };
    return { id: String(id), imageId, fileName: undefined, record };
  }
  return undefined;
}

function isId(value: unknown): value is string | number {
  return typeof value === 'string' || typeof value === 'number';
}

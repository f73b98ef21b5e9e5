/**
 * GQA (Hudson and Manning 2019, "GQA: A New Dataset for Real-World Visual Reasoning and Compositional Question Answering"; CC BY 4.0):
 * questions made from the scene graphs of Visual Genome, balanced so that answers cannot be guessed. Reads the official files, objects
 * by question id, and the lists of LAVIS, which go by the same names.
 */

import { z } from 'zod';
import { defineRowSource, type RowScan, type SourceRow } from '../lib/data/row-source.ts';
import type { SourceRoot } from '../lib/data/source.ts';
import { jsonArrayItems, jsonObjectEntries } from '../lib/formats/json-stream.ts';
import { annotationFile, annotationsOption, firstByte, malformedRow, recordOf } from './annotation-files.ts';
import { imageOptions, openImageFolders, photosOf } from './image-folders.ts';
import { answerSample, answerWording, countAnswers, type ShortAnswered } from './short-answers.ts';
import { VISUAL_GENOME_FOLDERS } from './visual-genome-images.ts';

const NAME = 'gqa';
const FOLDERS = ['images', ...VISUAL_GENOME_FOLDERS, '.'];
const SHARDS = 10;

const options = z.object({
  split: z.enum(['train', 'val', 'testdev']).default('train').describe('Which part.'),
  balanced: z
    .boolean()
    .default(true)
    .describe('Whether to read the balanced questions, as the original does, or all of them.'),
  ...annotationsOption(
    'SPLIT_balanced_questions.json or SPLIT_all_questions.json, or the ten files of the folder train_all_questions',
  ),
  ...imageOptions('images, VG_100K and VG_100K_2 below root or ../visual-genome, root itself'),
  ...answerWording,
});

type Options = z.output<typeof options> & SourceRoot;

/** One row for each question. */
export const gqa = defineRowSource({
  name: NAME,
  summary: 'GQA: questions of several steps about photos of Visual Genome.',
  kind: 'task',
  tasks: ['vqa'],
  options,
  indexOptions: ['split', 'balanced', 'annotations', 'images', 'missing'],
  inputs: filesOf,
  rows,
  sample: ({ record }: { record: ShortAnswered }, context) => answerSample(record, context),
});

async function filesOf({ root, split, balanced, annotations }: Options): Promise<string[]> {
  const stem = `${split}_${balanced ? 'balanced' : 'all'}_questions`;
  const folders = ['.', 'questions', 'annotations'];
  const search = { source: NAME, root, folders };
  const first = await annotationFile({
    ...search,
    given: annotations,
    names: [`${stem}.json`, `${stem}/${stem}_0.json`],
  });
  if (!first.endsWith(`${stem}_0.json`)) return [first];
  const others = Array.from({ length: SHARDS - 1 }, (_, shard) => `${stem}/${stem}_${shard + 1}.json`);
  return [first, ...(await Promise.all(others.map((name) => annotationFile({ ...search, names: [name] }))))];
}

async function* rows(chosen: Options, scan: RowScan): AsyncIterable<SourceRow<ShortAnswered>> {
  const { root, images, missing } = chosen;
  const photos = photosOf({
    source: NAME,
    root,
    folders: await openImageFolders(root, images ?? FOLDERS),
    missing,
    scan,
  });
  for (const path of await filesOf(chosen)) {
    for await (const [id, item] of questionsOf(path)) {
      const { question, answer, imageId, image, types } = recordOf(item) ?? {};
      const name = typeof image === 'string' ? image : typeof imageId === 'string' ? `${imageId}.jpg` : undefined;
      if (typeof question !== 'string' || name === undefined) {
        throw malformedRow(`${path}, question ${id}`, {
          found: item,
          expected: 'question, answer and imageId or image',
        });
      }
      const answers = countAnswers(typeof answer === 'string' ? [answer] : []);
      const where = `question ${id}`;
      if (answers.length === 0) scan.reject('no answer', where);
      else if (question.trim() === '') scan.reject('no question', where);
      else {
        const found = photos.take({ names: [name], where });
        const type = recordOf(types)?.['structural'];
        const record = { question, answers, ...(typeof type === 'string' ? { type } : {}) };
        if (found !== undefined) yield { id, image: found, record };
      }
    }
  }
  photos.check();
}

async function* questionsOf(path: string): AsyncIterable<[id: string, question: unknown]> {
  if ((await firstByte(path)) === '{') {
    yield* jsonObjectEntries(path);
    return;
  }
  let place = 0;
  for await (const item of jsonArrayItems(path)) {
    const id = recordOf(item)?.['question_id'];
    yield [typeof id === 'string' || typeof id === 'number' ? String(id) : `row-${place}`, item];
    place += 1;
  }
}

/**
 * OCR-VQA-200K (Mishra et al. 2019, "OCR-VQA: Visual Question Answering by Reading Text in Images"): questions about the covers of
 * books, made from what a catalogue says of them. For research only; the covers belong to their publishers.
 */

import { extname } from 'node:path';
import { z } from 'zod';
import { defineRowSource, type RowScan, type SourceRow } from '../lib/data/row-source.ts';
import type { SourceRoot } from '../lib/data/source.ts';
import { jsonObjectEntries } from '../lib/formats/json-stream.ts';
import { annotationFile, annotationsOption, malformedRow, recordOf } from './annotation-files.ts';
import { imageOptions, openImageFolders, photosOf } from './image-folders.ts';
import { answerSample, answerWording, countAnswers, type ShortAnswered } from './short-answers.ts';

const NAME = 'ocrvqa';
const FOLDERS = ['images', '.'];
/** How the file writes its parts. */
const SPLITS = { train: 1, val: 2, test: 3 } as const;

const options = z.object({
  split: z.enum(['train', 'val', 'test']).default('train').describe('Which part.'),
  ...annotationsOption('dataset.json'),
  ...imageOptions('images below root, root itself'),
  ...answerWording,
});

type Options = z.output<typeof options> & SourceRoot;

/** One row for each question. */
export const ocrvqa = defineRowSource({
  name: NAME,
  summary: 'OCR-VQA: questions about book covers that are answered by reading them.',
  kind: 'task',
  tasks: ['vqa'],
  options,
  indexOptions: ['split', 'annotations', 'images', 'missing'],
  inputs: async (chosen) => [await fileOf(chosen)],
  rows,
  sample: ({ record }: { record: ShortAnswered }, context) => answerSample(record, context),
});

function fileOf({ root, annotations }: Options): Promise<string> {
  return annotationFile({ source: NAME, root, given: annotations, names: ['dataset.json'] });
}

async function* rows(chosen: Options, scan: RowScan): AsyncIterable<SourceRow<ShortAnswered>> {
  const { root, images, missing, split } = chosen;
  const path = await fileOf(chosen);
  const photos = photosOf({
    source: NAME,
    root,
    folders: await openImageFolders(root, images ?? FOLDERS),
    missing,
    scan,
  });
  for await (const [id, item] of jsonObjectEntries(path)) {
    const { imageURL: url, questions, answers, split: part } = recordOf(item) ?? {};
    if (!(typeof url === 'string' && Array.isArray(questions) && Array.isArray(answers))) {
      throw malformedRow(`${path}, book ${id}`, { found: item, expected: 'imageURL, questions, answers and split' });
    }
    if (part !== SPLITS[split]) continue;
    const where = `book ${id}`;
    if (questions.length !== answers.length) {
      scan.reject('questions and answers not paired', `${where}: ${questions.length} and ${answers.length}`);
      continue;
    }
    const image = photos.take({ names: [`${id}${extname(url)}`], where });
    if (image === undefined) continue;
    for (const [place, question] of questions.entries()) {
      const record = recordOfPair(question, answers[place]);
      if (record === undefined) scan.reject('no question or no answer', `${where}, question ${place}`);
      else yield { id: `${id}-${place}`, image, record };
    }
  }
  photos.check();
}

function recordOfPair(question: unknown, answer: unknown): ShortAnswered | undefined {
  if (typeof question !== 'string' || question.trim() === '' || typeof answer !== 'string') return undefined;
  const answers = countAnswers([answer]);
  return answers.length === 0 ? undefined : { question, answers };
}

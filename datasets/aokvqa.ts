/**
 * A-OKVQA (Schwenk et al. 2022, "A-OKVQA: A Benchmark for Visual Question Answering using World Knowledge"; Apache 2.0): questions
 * about photos of COCO 2017 with ten free answers, four choices and reasons. The original trains on the free answers and never uses
 * the choices. Reads the official files and the copies of LAVIS, which name the photo too.
 */

import { z } from 'zod';
import { defineRowSource, type RowScan, type SourceRow } from '../lib/data/row-source.ts';
import type { SourceRoot } from '../lib/data/source.ts';
import { jsonArrayItems } from '../lib/formats/json-stream.ts';
import { annotationFile, annotationsOption, malformedRow, recordOf } from './annotation-files.ts';
import { cocoIdOf, cocoNames, openCocoFolders, USUAL_COCO_FOLDERS } from './coco-images.ts';
import { excludeFiles, excludeOption, readExcluded } from './excluded-images.ts';
import { imageOptions, photosOf } from './image-folders.ts';
import { answerSample, answerWording, countAnswers, type ShortAnswered } from './short-answers.ts';

const NAME = 'aokvqa';

const options = z.object({
  split: z.enum(['train', 'val']).default('train').describe('Which part; the answers of test are not published.'),
  ...annotationsOption('aokvqa_v1p0_SPLIT.json'),
  from: z
    .enum(['direct', 'choice'])
    .default('direct')
    .describe(
      'Where answers come from: the ten free ones, as the original trains, or the right one of the four choices.',
    ),
  ...imageOptions(USUAL_COCO_FOLDERS),
  exclude: excludeOption,
  ...answerWording,
});

type Options = z.output<typeof options> & SourceRoot;

/** One row for each question. */
export const aokvqa = defineRowSource({
  name: NAME,
  aliases: { aok_vqa: {} },
  summary: 'A-OKVQA: questions about COCO photos that need knowledge of the world.',
  kind: 'task',
  tasks: ['vqa'],
  options,
  indexOptions: ['split', 'annotations', 'from', 'images', 'missing', 'exclude'],
  inputs: async (chosen) => [await fileOf(chosen), ...excludeFiles(chosen.root, chosen.exclude)],
  rows,
  sample: ({ record }: { record: ShortAnswered }, context) => answerSample(record, context),
});

function fileOf({ root, split, annotations }: Options): Promise<string> {
  return annotationFile({ source: NAME, root, given: annotations, names: [`aokvqa_v1p0_${split}.json`] });
}

async function* rows(chosen: Options, scan: RowScan): AsyncIterable<SourceRow<ShortAnswered>> {
  const { root, images, missing, exclude, from } = chosen;
  const path = await fileOf(chosen);
  const folders = await openCocoFolders(root, images);
  const photos = photosOf({ source: NAME, root, folders, missing, excluded: await readExcluded(root, exclude), scan });
  for await (const item of jsonArrayItems(path)) {
    const row = recordOf(item) ?? {};
    const { question_id: id, question, image_id: imageId, image } = row;
    const fileName = typeof image === 'string' ? image : undefined;
    const cocoId = typeof imageId === 'number' ? imageId : cocoIdOf(fileName ?? '');
    if (!(typeof id === 'string' && typeof question === 'string' && cocoId !== undefined)) {
      throw malformedRow(path, { found: item, expected: 'question_id, question and image_id' });
    }
    const where = `question ${id}`;
    const answers = from === 'direct' ? directAnswers(row) : rightChoice(row);
    if (answers.length === 0) scan.reject('no answer', where);
    else if (question.trim() === '') scan.reject('no question', where);
    else {
      const found = photos.take({ names: cocoNames(fileName, cocoId), cocoId, where });
      if (found !== undefined) yield { id, image: found, record: { question, answers } };
    }
  }
  photos.check();
}

type Fields = Readonly<Record<string, unknown>>;

function directAnswers({ direct_answers: given }: Fields): ShortAnswered['answers'] {
  return countAnswers((Array.isArray(given) ? given : []).filter((answer) => typeof answer === 'string'));
}

function rightChoice({ choices, correct_choice_idx: place }: Fields): ShortAnswered['answers'] {
  const choice: unknown = Array.isArray(choices) && typeof place === 'number' ? choices[place] : undefined;
  return countAnswers(typeof choice === 'string' ? [choice] : []);
}

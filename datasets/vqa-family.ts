/** What VQAv2 and OK-VQA have in common: the same pair of official files, the same joined list, photos of COCO. */

import { z } from 'zod';
import { TristageError } from '../lib/core/errors.ts';
import { defineRowSource, type RowScan, type SourceRow } from '../lib/data/row-source.ts';
import type { Source, SourceRoot } from '../lib/data/source.ts';
import { annotationFile } from './annotation-files.ts';
import { cocoIdOf, cocoNames, openCocoFolders, USUAL_COCO_FOLDERS } from './coco-images.ts';
import { excludeFiles, excludeOption, readExcluded } from './excluded-images.ts';
import { imageOptions, photosOf } from './image-folders.ts';
import { answerSample, answerWording, type ShortAnswered } from './short-answers.ts';
import { isJoinedList, type TypeKey, type VqaFiles, vqaRows } from './vqa-files.ts';

type Part = 'train' | 'val';

export interface VqaMember {
  name: string;
  summary: string;
  /** Other names of the source; see `Source.aliases`. */
  aliases: NonNullable<Source['aliases']>;
  /** Known names of the files of a part: official annotations with their questions, joined lists. */
  names: Readonly<
    Record<Part, { annotations: readonly string[]; questions: readonly string[]; joined: readonly string[] }>
  >;
  /** Which key says the kind of question, for evaluation. */
  type: TypeKey;
}

const file = z.string().min(1).meta({ path: true }).optional();

const options = z.object({
  split: z
    .enum(['train', 'val', 'trainval'])
    .default('train')
    .describe(
      'Which part. The original trains on both, so that val no longer measures anything; here that has to be asked for, with trainval.',
    ),
  files: z
    .strictObject({ questions: file, annotations: file })
    .default({})
    .describe(
      'The files by name, relative to root or to the current directory, in place of the known ones of the split: all their rows are taken. A joined list, as LAVIS has it, is an annotations file without questions.',
    )
    .meta({ path: true }),
  ...imageOptions(USUAL_COCO_FOLDERS),
  exclude: excludeOption,
  ...answerWording,
});

type Options = z.output<typeof options> & SourceRoot;

/** The source of one of the two. */
export function vqaSource(member: VqaMember): Source {
  const { name, summary, aliases } = member;
  return defineRowSource({
    name,
    summary,
    aliases,
    kind: 'task',
    tasks: ['vqa'],
    options,
    indexOptions: ['split', 'files', 'images', 'missing', 'exclude'],
    async inputs(chosen) {
      const parts = await filesOf(member, chosen);
      const own = parts.flatMap(({ annotations, questions }) => [
        annotations,
        ...(questions === undefined ? [] : [questions]),
      ]);
      return [...own, ...excludeFiles(chosen.root, chosen.exclude)];
    },
    rows: (chosen, scan) => memberRows(member, chosen, scan),
    sample: ({ record }: { record: ShortAnswered }, context) => answerSample(record, context),
  });
}

async function filesOf({ name, names }: VqaMember, { root, split, files }: Options): Promise<VqaFiles[]> {
  if (files.annotations !== undefined) {
    const given = { source: name, root, names: [] };
    const annotations = await annotationFile({ ...given, given: files.annotations });
    if (await isJoinedList(annotations)) return [{ annotations }];
    if (files.questions === undefined) throw needsQuestions(name, annotations);
    return [{ annotations, questions: await annotationFile({ ...given, given: files.questions }) }];
  }
  const parts: Part[] = split === 'trainval' ? ['train', 'val'] : [split];
  return Promise.all(
    parts.map(async (part) => {
      const { annotations: official, questions, joined } = names[part];
      const annotations = await annotationFile({ source: name, root, names: [...official, ...joined] });
      if (await isJoinedList(annotations)) return { annotations };
      return { annotations, questions: await annotationFile({ source: name, root, names: questions }) };
    }),
  );
}

async function* memberRows(member: VqaMember, chosen: Options, scan: RowScan): AsyncIterable<SourceRow<ShortAnswered>> {
  const { root, split, files, images, missing, exclude } = chosen;
  const folders = await openCocoFolders(root, images);
  const excluded = await readExcluded(root, exclude);
  const photos = photosOf({ source: member.name, root, folders, missing, excluded, scan });
  const whole = split === 'trainval' || files.annotations !== undefined;
  for (const part of await filesOf(member, chosen)) {
    for await (const { id, imageId, fileName, record } of vqaRows(part, { scan, type: member.type })) {
      const where = `question ${id}`;
      const cocoId = imageId ?? cocoIdOf(fileName ?? '');
      if (!whole && fileName !== undefined && isOfOther(fileName, split)) {
        scan.reject('photo of another split', `${where}: ${fileName}`);
        continue;
      }
      const image = photos.take({ names: cocoNames(fileName, cocoId), cocoId, where });
      if (image !== undefined) yield { id, image, record };
    }
  }
  photos.check();
}

/** Joined lists name the photo with its folder, which says the split. */
function isOfOther(fileName: string, split: string): boolean {
  return /(train|val)20\d\d/.exec(fileName)?.[1] === (split === 'train' ? 'val' : 'train');
}

function needsQuestions(name: string, where: string): TristageError {
  return new TristageError({
    kind: 'config',
    code: 'E_SOURCE_OPTIONS',
    message: `options of source ${name}: files.annotations holds answers only`,
    where,
    found: 'no files.questions',
    expected: 'the file of questions that belongs to it',
  });
}

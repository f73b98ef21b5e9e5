/**
 * Flickr30k Entities (Plummer et al. 2015; annotations for research, each photo under its Flickr terms; sentences of Young et al. 2014):
 * five sentences for each photo whose phrases have boxes. Reads the publisher's folders `Sentences` and `Annotations`, and the three
 * files that MiniGPT-v2 made from them.
 */

import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { type BoxRounding, formatPhrase, parseBoxes } from '../lib/data/boxes.ts';
import { defineRowSource, type RowSample } from '../lib/data/row-source.ts';
import { emptySource, type SourceRoot } from '../lib/data/source.ts';
import { drawInstruction, type Pick } from '../lib/data/task.ts';
import { joinTokens } from './flickr30k-entities.ts';
import { type EntityFiles, entityRows, type FlickrRecord, finishedRows, type Part } from './flickr30k-rows.ts';
import { imageOptions, openImageFolders, photosOf } from './image-folders.ts';

const NAME = 'flickr30k';
const IMAGES = ['flickr30k-images', 'flickr30k_images', 'images', '.'];
/** The files of MiniGPT-v2. */
const FINISHED = { grounding: 'groundedcaption.json', caption: 'captiontobbox.json', phrase: 'phrasetobbox.json' };
/** Where annotations lie below the root. */
const FOLDERS = ['annotations', '.', 'flickr30k_entities'];

const options = z.object({
  annotations: z
    .string()
    .min(1)
    .optional()
    .meta({ path: true })
    .describe(
      'Folder with Sentences and Annotations, or a file of MiniGPT-v2. Default: under root the file for the task, else the folders.',
    ),
  ...imageOptions('flickr30k-images or images below root, and root itself'),
  split: z
    .enum(['train', 'val', 'test', 'all'])
    .default('train')
    .describe('Photos of train.txt, val.txt or test.txt beside the folders; the files of MiniGPT-v2 have no splits.'),
  from: z
    .enum(['caption', 'phrase'])
    .default('caption')
    .describe('What detection is asked with: a whole sentence, or one phrase.'),
  minPhrases: z
    .int()
    .min(1)
    .max(100)
    .optional()
    .describe(
      'Sentences with fewer grounded phrases are left out. Default: 5 for grounding, as in the paper (unverified); 1 for detection.',
    ),
  rounding: z
    .enum(['truncate', 'round'])
    .default('truncate')
    .describe('How boxes become integers 0..100; truncate as the original does.'),
});

type Chosen = SourceRoot & z.output<typeof options>;

/** One sample for each sentence, or with `from: phrase` for each phrase of a photo. */
export const flickr30k = defineRowSource({
  name: NAME,
  aliases: {
    flickr_grounded_caption: { task: 'grounding' },
    flickr_CaptionToPhrase: { task: 'detection', from: 'caption' },
    flickr_ObjectToPhrase: { task: 'detection', from: 'phrase' },
  },
  summary: 'Flickr30k Entities: sentences about photos, their phrases with boxes.',
  kind: 'instruction',
  tasks: ['grounding', 'detection'],
  options,
  indexOptions: ['annotations', 'images', 'missing', 'split', 'from', 'minPhrases', 'task'],
  inputs: async (chosen) => (await filesOf(chosen)).inputs,
  async *rows(chosen, scan) {
    const { root, task, from, missing, images = IMAGES } = chosen;
    const files = await filesOf(chosen);
    const photos = photosOf({ source: NAME, root, folders: await openImageFolders(root, images), missing, scan });
    const request = { task, from, photos, minPhrases: chosen.minPhrases ?? (task === 'grounding' ? 5 : 1) };
    yield* 'path' in files ? finishedRows(files.path, request, scan) : entityRows(files, request, scan);
    photos.check();
  },
  sample: ({ record }: { record: FlickrRecord }, { options: { rounding }, pick }) =>
    sampleOf(record, { rounding, pick }),
});

type FlickrFiles = { inputs: string[] } & ({ path: string } | EntityFiles);

async function filesOf({ root, annotations, split, task, from }: Chosen): Promise<FlickrFiles> {
  if (annotations?.endsWith('.json')) return { path: annotations, inputs: [annotations] };
  const finished = FINISHED[task === 'grounding' ? 'grounding' : from];
  const folders = annotations === undefined ? FOLDERS.map((folder) => resolve(root, folder)) : [annotations];
  for (const folder of folders) {
    const names = await readdir(folder).catch((): string[] => []);
    if (names.includes(finished)) return { path: join(folder, finished), inputs: [join(folder, finished)] };
    if (names.includes('Sentences') && names.includes('Annotations')) return entityFiles(folder, split);
  }
  throw emptySource(NAME, {
    where: annotations ?? root,
    found: 'neither form of the annotations',
    expected: `${finished}, or the folders Sentences and Annotations`,
  });
}

async function entityFiles(folder: string, split: Chosen['split']): Promise<FlickrFiles> {
  const list = join(folder, `${split}.txt`);
  const ids = split === 'all' ? await sentenceIds(join(folder, 'Sentences')) : await listedIds(list);
  const lists = split === 'all' ? [] : [list];
  const path = join(folder, 'UNRELATED_CAPTIONS');
  const listed = await readFile(path, 'utf8').catch(() => undefined);
  if (listed !== undefined) lists.push(path);
  return {
    folder,
    ids,
    unrelated: unrelatedOf(listed ?? ''),
    inputs: [...lists, join(folder, 'Sentences'), join(folder, 'Annotations')],
  };
}

/** Lines `ID NUMBER`, sentences counted from 1. */
function unrelatedOf(text: string): ReadonlySet<string> {
  const lines = text.split('\n').filter((line) => !line.startsWith('#'));
  return new Set(lines.map((line) => line.trim().split(/\s+/).join(' ')));
}

async function sentenceIds(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  return names.flatMap((name) => (name.endsWith('.txt') ? [name.slice(0, -'.txt'.length)] : [])).sort();
}

async function listedIds(list: string): Promise<string[]> {
  const text = await readFile(list, 'utf8').catch(() => {
    throw emptySource(NAME, {
      where: list,
      found: 'no list of the photos of this split',
      expected: 'a file with one id on each line; split: all needs none',
    });
  });
  return text.split(/\s+/).filter((id) => id !== '');
}

function sampleOf(record: FlickrRecord, { rounding, pick }: { rounding: BoxRounding; pick: Pick }): RowSample {
  const detect = (content: string, answer: string) => [
    { question: drawInstruction('detection', content, pick), answer },
  ];
  const ground = (answer: string) => [{ question: drawInstruction('grounding', '', pick), answer }];
  if ('answer' in record) {
    const { question, answer } = record;
    return { turns: question === undefined ? ground(answer) : detect(question, answer), boxes: parseBoxes(answer) };
  }
  if ('phrase' in record) {
    const { phrase, boxes } = record;
    return { turns: detect(phrase, formatPhrase(phrase, boxes, rounding)), boxes };
  }
  const { sentence, list } = record;
  const write = ([text, own]: Part): string => (own === undefined ? text : formatPhrase(text, own, rounding));
  const grounded = sentence.filter((part) => part.length === 2);
  const boxes = grounded.flatMap(([, own]) => own);
  if (!list) return { turns: ground(joinTokens(sentence.map(write).join(''))), boxes };
  const caption = joinTokens(sentence.map(([text]) => text).join(''));
  return { turns: detect(caption, grounded.map(write).join(' ')), boxes };
}

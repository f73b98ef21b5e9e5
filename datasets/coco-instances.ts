/**
 * Boxes with categories in COCO's form (Lin et al. 2014; annotations CC BY 4.0, each photo keeps its Flickr licence), and every data
 * set of detection that is published or exported in that form: `{images, annotations, categories}`.
 */

import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { z } from 'zod';
import { type Box, formatBox, formatPhrase } from '../lib/data/boxes.ts';
import { defineRowSource, type RowSample, type SourceRow } from '../lib/data/row-source.ts';
import type { Turn } from '../lib/data/sample.ts';
import type { SourceRoot } from '../lib/data/source.ts';
import { drawInstruction, type Pick } from '../lib/data/task.ts';
import { annotationFile } from './annotation-files.ts';
import { cocoNames, openCocoFolders, USUAL_COCO_FOLDERS } from './coco-images.ts';
import { type CocoPhoto, cocoPhotos } from './coco-objects.ts';
import { excludeFiles, excludeOption, readExcluded } from './excluded-images.ts';
import { type ImageFolders, imageOptions, photosOf } from './image-folders.ts';

const NAME = 'coco-instances';
const FILES = {
  train: ['instances_train2017.json', 'instances_train2014.json'],
  val: ['instances_val2017.json', 'instances_val2014.json'],
};

const options = z.object({
  annotations: z
    .string()
    .min(1)
    .optional()
    .meta({ path: true })
    .describe(
      'The file. Default: the known file of the split, instances.json, or the only .json there is, under root/annotations or root.',
    ),
  split: z.enum(['train', 'val']).default('train').describe('Chooses the file among COCO’s own.'),
  ...imageOptions(USUAL_COCO_FOLDERS),
  exclude: excludeOption,
  maxBoxes: z
    .int()
    .min(1)
    .max(1000)
    .default(10)
    .describe('Categories with more objects in a photo are not asked for by detection: a box takes about 15 tokens.'),
  minSide: z
    .number()
    .min(0)
    .max(1)
    .default(0.02)
    .describe(
      'Objects that are narrower, as a share of the photo, are not asked for by refer and identify: a step of the text form is 0.01.',
    ),
  turns: z.int().min(1).max(20).default(4).describe('Most questions of a conversation, each about another category.'),
  rounding: z
    .enum(['truncate', 'round'])
    .default('truncate')
    .describe('How boxes become integers 0..100; truncate as the original does.'),
});

type Chosen = SourceRoot & z.output<typeof options>;

/** What may be asked about a category: all its boxes, where they are all known and few, and those that are large enough. */
interface Category {
  name: string;
  all: Box[] | null;
  large: Box[];
}

/** One sample for each category of a photo (detection), lone object (refer), object (identify), or photo (conversation). */
export const cocoInstances = defineRowSource({
  name: NAME,
  summary: 'Boxes with categories in COCO’s form: detection, refer, identify, or several of them about one photo.',
  kind: 'task',
  tasks: ['detection', 'refer', 'identify', 'conversation'],
  options,
  indexOptions: ['annotations', 'split', 'images', 'missing', 'exclude', 'maxBoxes', 'minSide', 'task'],
  inputs: async (chosen) => [await fileOf(chosen), ...excludeFiles(chosen.root, chosen.exclude)],
  async *rows(chosen, scan): AsyncIterable<SourceRow<Category[]>> {
    const { root, missing, exclude } = chosen;
    const folders = await foldersOf(chosen);
    const photos = photosOf({
      source: NAME,
      root,
      folders,
      missing,
      scan,
      excluded: await readExcluded(root, exclude),
    });
    for await (const photo of cocoPhotos(await fileOf(chosen), scan)) {
      const { id, fileName, width, height } = photo;
      const file = photos.take({ ...namesOf(fileName, id), where: `image ${id}` });
      if (file === undefined) continue;
      for (const row of rowsOf(photo, chosen)) yield { ...row, image: { ...file, width, height } };
    }
    photos.check();
  },
  sample({ record }: { record: Category[] }, { options: { turns, rounding }, task, pick }): RowSample {
    const [only] = record as [Category];
    if (task !== 'conversation') return asked(task as Asked, only, { rounding, pick });
    const left = [...record];
    const samples: RowSample[] = [];
    while (samples.length < turns && left.length > 0) {
      const [category] = left.splice(pick(left.length), 1) as [Category];
      const kinds = KINDS.filter((kind) => fits(kind, category));
      samples.push(asked(kinds[pick(kinds.length)] as Asked, category, { rounding, pick }));
    }
    return { turns: samples.flatMap((sample) => sample.turns), boxes: samples.flatMap(({ boxes = [] }) => boxes) };
  },
});

/** Photos of COCO go by several names and are found by id; a file of any other name is itself and nothing else. */
const COCO_NAME = /(?:^|[/_])\d{12}\.[A-Za-z]+$/;

function namesOf(fileName: string | undefined, id: number): { names: string[]; cocoId: number | undefined } {
  if (fileName !== undefined && !COCO_NAME.test(fileName)) return { names: [fileName], cocoId: undefined };
  return { names: cocoNames(fileName, id), cocoId: id };
}

/** Names with folders in them, as own data has, are paths: the same name may lie in two folders. */
async function foldersOf({ root, images }: Chosen): Promise<ImageFolders> {
  const flat = await openCocoFolders(root, images);
  const bases = images ?? ['.', 'images'];
  const nested = (name: string): string | undefined =>
    bases.map((base) => resolve(root, base, name)).find((path) => existsSync(path));
  return {
    folders: flat.folders,
    find(names) {
      for (const name of names) {
        const path = name.includes('/') ? nested(name) : flat.find([name]);
        if (path !== undefined) return path;
      }
      return undefined;
    },
  };
}

type Asked = 'detection' | 'refer' | 'identify';
const KINDS: readonly Asked[] = ['detection', 'refer', 'identify'];

/** Refer needs the only object of its kind. */
function fits(task: Asked, { all, large }: Category): boolean {
  if (task === 'detection') return all !== null;
  return task === 'identify' ? large.length > 0 : all?.length === 1 && large.length === 1;
}

function* rowsOf(photo: CocoPhoto, { task, maxBoxes, minSide }: Chosen): Iterable<SourceRow<Category[]>> {
  const categories = new Map<string, { category: Category; ids: number[] }>();
  for (const { id, name, box } of photo.objects) {
    const known = categories.get(name) ?? { category: { name, all: [], large: [] }, ids: [] };
    known.category.all?.push(box);
    if (Math.min(box[2] - box[0], box[3] - box[1]) >= minSide) {
      known.category.large.push(box);
      known.ids.push(id);
    }
    categories.set(name, known);
  }
  for (const { category } of categories.values()) {
    const { all, name } = category;
    if (photo.incomplete.has(name) || (all?.length ?? 0) > maxBoxes) category.all = null;
  }
  if (task === 'conversation') {
    const record = [...categories.values()].map(({ category }) => category);
    const askable = record.filter((category) => KINDS.some((kind) => fits(kind, category)));
    if (askable.length > 0) yield { id: String(photo.id), record: askable };
    return;
  }
  for (const [place, { category, ids }] of [...categories.values()].entries()) {
    if (!fits(task as Asked, category)) continue;
    if (task !== 'identify') yield { id: `${photo.id}-${place}`, record: [category] };
    else {
      for (const [object, box] of category.large.entries())
        yield { id: String(ids[object]), record: [{ ...category, all: null, large: [box] }] };
    }
  }
}

function asked(
  task: Asked,
  { name, all, large }: Category,
  { rounding, pick }: { rounding: 'truncate' | 'round'; pick: Pick },
): RowSample {
  const sample = (turn: Turn, boxes: Box[]): RowSample => ({ turns: [turn], boxes });
  if (task === 'detection') {
    const boxes = all ?? [];
    const answer = formatPhrase(name, boxes, rounding);
    return sample({ question: drawInstruction('detection', name, pick), answer }, boxes);
  }
  const box = large[pick(large.length)] as Box;
  const place = formatBox(box, rounding);
  return task === 'refer'
    ? sample({ question: drawInstruction('refer', name, pick), answer: place }, [box])
    : sample({ question: drawInstruction('identify', place, pick), answer: name }, [box]);
}

async function fileOf({ annotations, root, split }: Chosen): Promise<string> {
  const names = [...FILES[split], 'instances.json'];
  if (annotations !== undefined) return annotationFile({ source: NAME, root, given: annotations, names });
  for (const folder of [`${root}/annotations`, root]) {
    const there = (await readdir(folder).catch((): string[] => [])).filter((name) => name.endsWith('.json'));
    if (there.length === 1 && !names.includes(there[0] as string)) names.push(there[0] as string);
  }
  return annotationFile({ source: NAME, root, names });
}

/**
 * What RefCOCO, RefCOCO+ and RefCOCOg have in common: REFER's files, `refs(SPLITTER).p` with the expressions and `instances.json`
 * with the boxes. One row for each object; a sentence of it is drawn at each access, as the original does.
 */

import { z } from 'zod';
import { type Box, clipBox, fromCoco } from '../lib/data/boxes.ts';
import { defineRowSource, type RowScan, type SourceRow } from '../lib/data/row-source.ts';
import type { Source, SourceRoot } from '../lib/data/source.ts';
import { annotationFile } from './annotation-files.ts';
import { cocoNames, openCocoFolders, USUAL_COCO_FOLDERS } from './coco-images.ts';
import { excludeFiles, excludeOption, readExcluded } from './excluded-images.ts';
import { imageOptions, photosOf } from './image-folders.ts';
import { type Instances, readInstances } from './refer-instances.ts';
import { type Ref, readRefs } from './refer-refs.ts';
import { type Referred, referringSample, referringWording } from './referring.ts';

export interface ReferMember {
  /** Name of the source, and of its folder in REFER's layout. */
  name: string;
  summary: string;
  /** Other names of the source; see `Source.aliases`. */
  aliases: NonNullable<Source['aliases']>;
  /** Who made the splits, the usual one first; each with the spellings that file names have. */
  splitters: Readonly<Record<string, readonly string[]>>;
  splits: readonly string[];
}

const file = z.string().min(1).meta({ path: true }).optional();

function optionsOf({ splitters, splits }: ReferMember) {
  const [usual, ...others] = Object.keys(splitters) as [string, ...string[]];
  return z.object({
    split: z
      .enum(splits as [string, ...string[]])
      .default('train')
      .describe('Which part; test takes every test part that the file has.'),
    splitBy: z
      .enum([usual, ...others])
      .default(usual)
      .describe('Whose splits: chooses the file of refs.'),
    files: z
      .strictObject({ refs: file, instances: file })
      .default({})
      .describe(
        'The two files by name, relative to root or to the current directory. Default: refs(SPLITTER).p or .json and instances.json in root, or in a folder of the source’s name below it.',
      )
      .meta({ path: true }),
    each: z
      .enum(['object', 'expression'])
      .default('object')
      .describe(
        'One row for each object, a drawn expression at a time, as the original trains; or one for each expression, as benchmarks count.',
      ),
    ...imageOptions(USUAL_COCO_FOLDERS),
    exclude: excludeOption,
    ...referringWording,
  });
}

type Options = z.output<ReturnType<typeof optionsOf>> & SourceRoot;

/** The source of one of the three. */
export function referSource(member: ReferMember): Source {
  const { name, summary, aliases } = member;
  return defineRowSource({
    name,
    summary,
    aliases,
    kind: 'task',
    tasks: ['refer', 'identify'],
    options: optionsOf(member),
    indexOptions: ['split', 'splitBy', 'files', 'each', 'images', 'missing', 'exclude'],
    async inputs(options) {
      const { refs, instances } = await filesOf(member, options);
      return [refs, instances, ...excludeFiles(options.root, options.exclude)];
    },
    rows: (options, scan) => referRows(member, { options, scan }),
    sample: ({ record }: { record: Referred }, context) => referringSample(record, context),
  });
}

async function filesOf({ name, splitters }: ReferMember, { root, splitBy, files }: Options) {
  const folders = ['.', name, `refer/${name}`];
  const spellings = [...(splitters[splitBy] ?? []).map((who) => `refs(${who})`), 'refs'];
  const search = { source: name, root, folders };
  return {
    refs: await annotationFile({
      ...search,
      given: files.refs,
      names: spellings.flatMap((spelling) => [`${spelling}.p`, `${spelling}.json`]),
    }),
    instances: await annotationFile({ ...search, given: files.instances, names: ['instances.json'] }),
  };
}

async function* referRows(
  member: ReferMember,
  { options, scan }: { options: Options; scan: RowScan },
): AsyncIterable<SourceRow<Referred>> {
  const { root, split, each, images, missing, exclude } = options;
  const files = await filesOf(member, options);
  const refs: Ref[] = [];
  for await (const ref of readRefs(files.refs)) if (isOfSplit(ref.split, split)) refs.push(ref);
  const instances = await readInstances(files.instances, refs);
  const folders = await openCocoFolders(root, images);
  const excluded = await readExcluded(root, exclude);
  const photos = photosOf({ source: member.name, root, folders, missing, excluded, scan });
  for (const ref of refs) {
    const where = `ref ${ref.refId}`;
    const record = referredOf(ref, { instances, scan, where });
    // The file name of a ref carries a suffix of its own and names no file.
    const image = record && photos.take({ names: cocoNames(undefined, ref.imageId), cocoId: ref.imageId, where });
    if (record === undefined || image === undefined) continue;
    const row = { image: { ...image, ...instances.sizes.get(ref.imageId) } };
    if (each === 'object') yield { ...row, id: String(ref.refId), record };
    else
      for (const [place, text] of record.texts.entries())
        yield { ...row, id: `${ref.refId}-${place}`, record: { ...record, texts: [text] } };
  }
  photos.check();
}

/** `test` means every part whose name holds it: testA and testB of RefCOCO and RefCOCO+. */
function isOfSplit(split: string, wanted: string): boolean {
  return wanted === 'test' ? split.includes('test') : split === wanted;
}

function referredOf(
  { annId, imageId, sentences }: Ref,
  { instances, scan, where }: { instances: Instances; scan: RowScan; where: string },
): Referred | undefined {
  const instance = instances.boxes.get(annId);
  const size = instances.sizes.get(imageId);
  const texts = sentences.map(({ text }) => text).filter((text) => text.trim() !== '');
  if (instance === undefined || instance.imageId !== imageId) scan.reject('no box', `${where}: annotation ${annId}`);
  else if (size === undefined) scan.reject('image size unknown', `${where}: image ${imageId}`);
  else if (texts.length === 0) scan.reject('no expression', where);
  else {
    const box: Box | undefined = clipBox(fromCoco(instance.bbox, size));
    if (box !== undefined) return { box, texts, ...(instance.name === undefined ? {} : { name: instance.name }) };
    scan.reject('box outside the image', `${where}: [${instance.bbox.join(', ')}] of ${size.width} x ${size.height}`);
  }
  return undefined;
}

/**
 * Visual Genome regions (Krishna et al. 2017, "Visual Genome: Connecting Language and Vision Using Crowdsourced Dense Image
 * Annotations"; CC BY 4.0): phrases with their boxes, about fifty for each photo.
 */

import { z } from 'zod';
import { type Box, clipBox, fromCoco, type ImageSize } from '../lib/data/boxes.ts';
import { defineRowSource, type RowScan, type SourceRow } from '../lib/data/row-source.ts';
import type { SourceRoot } from '../lib/data/source.ts';
import { jsonArrayItems } from '../lib/formats/json-stream.ts';
import { annotationFile, malformedRow, recordOf } from './annotation-files.ts';
import { excludeFiles, excludeOption, readExcluded } from './excluded-images.ts';
import { imageOptions, openImageFolders, photosOf } from './image-folders.ts';
import { type Referred, referringSample, referringWording } from './referring.ts';
import { VISUAL_GENOME_FOLDERS } from './visual-genome-images.ts';

const NAME = 'visual-genome';
/** Square pixels; as the original, which follows OFA. */
const MOST_AREA = 16384;

const options = z.object({
  maxArea: z
    .number()
    .min(0)
    .default(MOST_AREA)
    .describe(
      'Regions of this many square pixels of the photo or more are left out, as the original does; 0: none is. Large regions mostly show the whole scene.',
    ),
  ...imageOptions('VG_100K and VG_100K_2 below root or beside it, images, root itself'),
  exclude: excludeOption,
  ...referringWording,
});

type Options = z.output<typeof options> & SourceRoot;

/** One row for each region. */
export const visualGenome = defineRowSource({
  name: NAME,
  aliases: { refvg: { task: 'refer' } },
  summary: 'Visual Genome: phrases for regions of photos, asked for their box or from it.',
  kind: 'task',
  tasks: ['refer', 'identify'],
  options,
  indexOptions: ['maxArea', 'images', 'missing', 'exclude'],
  async inputs(chosen) {
    const { regions, photos } = await filesOf(chosen);
    return [regions, photos, ...excludeFiles(chosen.root, chosen.exclude)];
  },
  rows,
  sample: ({ record }: { record: Referred }, context) => referringSample(record, context),
});

async function filesOf({ root }: Options): Promise<{ regions: string; photos: string }> {
  const find = (name: string) => annotationFile({ source: NAME, root, names: [name], folders: ['.', 'annotations'] });
  return { regions: await find('region_descriptions.json'), photos: await find('image_data.json') };
}

/** A photo as `image_data.json` states it. */
interface Photo extends ImageSize {
  fileName: string;
  cocoId: number | undefined;
}

async function* rows(chosen: Options, scan: RowScan): AsyncIterable<SourceRow<Referred>> {
  const { root, images, missing, exclude, maxArea } = chosen;
  const files = await filesOf(chosen);
  const known = await readPhotos(files.photos);
  const folders = await openImageFolders(root, images ?? [...VISUAL_GENOME_FOLDERS, 'images', '.']);
  const excluded = await readExcluded(root, exclude);
  const photos = photosOf({ source: NAME, root, folders, missing, excluded, scan });
  for await (const item of jsonArrayItems(files.regions)) {
    const { id, image_id: other, regions } = recordOf(item) ?? {};
    const imageId = id ?? other;
    if (!(typeof imageId === 'number' && Array.isArray(regions))) {
      throw malformedRow(files.regions, { found: item, expected: 'id and regions' });
    }
    const photo = known.get(imageId);
    const image = photo && photos.take({ names: [photo.fileName], cocoId: photo.cocoId, where: `image ${imageId}` });
    if (photo === undefined) scan.reject('image unknown', `image ${imageId}`);
    if (photo === undefined || image === undefined) continue;
    const size = { width: photo.width, height: photo.height };
    for (const region of regions) {
      const row = regionRow(region, { size, maxArea, scan, where: `image ${imageId}` });
      if (row !== undefined) yield { ...row, image: { ...image, ...size } };
    }
  }
  photos.check();
}

/** Older files say `id` where newer ones say `image_id` and `region_id`. */
async function readPhotos(path: string): Promise<Map<number, Photo>> {
  const photos = new Map<number, Photo>();
  for await (const item of jsonArrayItems(path)) {
    const { image_id: id, id: older, url, width, height, coco_id: cocoId } = recordOf(item) ?? {};
    const imageId = id ?? older;
    const whole = typeof imageId === 'number' && typeof width === 'number' && typeof height === 'number';
    if (!(whole && width > 0 && height > 0)) {
      throw malformedRow(path, { found: item, expected: 'image_id, url, width and height' });
    }
    // The address ends in the folder and the name of the file; the number is the name in either case.
    const fileName = (typeof url === 'string' ? url.split('/').at(-1) : undefined) ?? `${imageId}.jpg`;
    photos.set(imageId, { fileName, width, height, cocoId: typeof cocoId === 'number' ? cocoId : undefined });
  }
  return photos;
}

function regionRow(
  region: unknown,
  { size, maxArea, scan, where }: { size: ImageSize; maxArea: number; scan: RowScan; where: string },
): { id: string; record: Referred } | undefined {
  const { region_id: id, id: older, x, y, width, height, phrase } = recordOf(region) ?? {};
  const regionId = id ?? older;
  const at = `${where}, region ${regionId}`;
  const numbers = [x, y, width, height];
  if (typeof regionId !== 'number' || typeof phrase !== 'string' || !numbers.every(Number.isFinite)) {
    throw malformedRow(at, { found: region, expected: 'region_id, x, y, width, height and phrase' });
  }
  const xywh = numbers as [number, number, number, number];
  const box: Box | undefined = clipBox(fromCoco(xywh, size));
  if (phrase.trim() === '') scan.reject('no expression', at);
  else if (box === undefined)
    scan.reject('box outside the image', `${at}: [${xywh.join(', ')}] of ${size.width} x ${size.height}`);
  else if (maxArea > 0 && xywh[2] * xywh[3] >= maxArea)
    scan.reject('region too large', `${at}: ${xywh[2]} x ${xywh[3]}`);
  else return { id: String(regionId), record: { box, texts: [phrase] } };
  return undefined;
}

/** RefCOCO, RefCOCO+ and RefCOCOg in miniature, as REFER publishes them: pickled refs and COCO instances. */

import { type PickleValue, pickle } from '../../../lib/formats/pickle-writer.ts';
import { COCO_PHOTOS, type CocoPhoto, cocoFileName, makeCocoPhotos } from './coco-photos.ts';
import { picture, type Thing, writeFiles, xywhOf } from './shapes.ts';

/** A ref as it stands in the published pickles. */
export interface PublishedRef {
  ref_id: number;
  ann_id: number;
  image_id: number;
  category_id: number;
  file_name: string;
  split: string;
  sent_ids: number[];
  sentences: { sent_id: number; sent: string; raw: string; tokens: string[] }[];
}

const CATEGORIES = ['square', 'disc', 'triangle'].map((name, place) => ({
  id: place + 1,
  name,
  supercategory: 'shape',
}));

/** Two objects for each photo, two expressions for each object. Photos of val are val and test parts here, as in COCO train2014. */
export function miniatureRefs(tests: readonly string[]): PublishedRef[] {
  return COCO_PHOTOS.flatMap((photo) =>
    picture(photo.n).things.map((thing, place) => {
      const refId = photo.n * 2 + place;
      const sentences = [`The ${thing.name}!`, `${thing.shape} on the ${thing.side}`].map((raw, sentence) => {
        const tokens = raw.toLowerCase().replace(/[!.]/g, '').split(' ');
        return { sent_id: refId * 2 + sentence, sent: tokens.join(' '), raw, tokens };
      });
      const split = photo.split === 'train' ? 'train' : (tests[place % tests.length] ?? 'val');
      return {
        ref_id: refId,
        ann_id: annotationId(photo, place),
        image_id: photo.id,
        category_id: CATEGORIES.findIndex(({ name }) => name === thing.shape) + 1,
        // The number behind the name is the ref's own; no such file exists.
        file_name: cocoFileName({ ...photo, split: 'train' }, 2014).replace('.jpg', `_${refId}.jpg`),
        split,
        sent_ids: sentences.map(({ sent_id }) => sent_id),
        sentences,
      };
    }),
  );
}

/** The instances that belong to them, one more for each photo that no ref speaks of. */
export function miniatureInstances() {
  const images = COCO_PHOTOS.map((photo) => ({
    id: photo.id,
    file_name: cocoFileName({ ...photo, split: 'train' }, 2014),
    width: photo.width,
    height: photo.height,
  }));
  const annotations = COCO_PHOTOS.flatMap((photo) =>
    picture(photo.n).things.map((thing, place) => annotationOf(thing, { photo, place })),
  );
  return { info: {}, licenses: [], images, annotations, categories: CATEGORIES };
}

function annotationOf(thing: Thing, { photo, place }: { photo: CocoPhoto; place: number }) {
  const bbox = xywhOf(thing);
  return {
    id: annotationId(photo, place),
    image_id: photo.id,
    category_id: CATEGORIES.findIndex(({ name }) => name === thing.shape) + 1,
    bbox,
    area: bbox[2] * bbox[3],
    iscrowd: 0,
    segmentation: [],
  };
}

function annotationId({ id }: CocoPhoto, place: number): number {
  return id * 100 + place;
}

/** A pickle as Python writes lists of dicts. */
export function pickledRefs(refs: readonly PublishedRef[]): Uint8Array {
  return pickle(pickleValue(refs));
}

function pickleValue(value: unknown): PickleValue {
  if (Array.isArray(value)) return value.map(pickleValue);
  if (typeof value !== 'object' || value === null) return value as PickleValue;
  return new Map(Object.entries(value).map(([key, item]) => [key, pickleValue(item)]));
}

interface Edition {
  folder: string;
  splitter: string;
  tests: readonly string[];
}

async function makeRefer(dir: string, { folder, splitter, tests }: Edition, photos: string): Promise<void> {
  await writeFiles(dir, {
    [`${folder}/refs(${splitter}).p`]: pickledRefs(miniatureRefs(tests)),
    [`${folder}/instances.json`]: miniatureInstances(),
  });
  await makeCocoPhotos(photos);
}

/**
 * @param dir folder of REFER's data
 * @param photos folder of COCO
 */
export function makeRefcoco(dir: string, photos: string = dir): Promise<void> {
  return makeRefer(dir, { folder: 'refcoco', splitter: 'unc', tests: ['testA', 'testB'] }, photos);
}

/** Parameters as `makeRefcoco`. */
export function makeRefcocoPlus(dir: string, photos: string = dir): Promise<void> {
  return makeRefer(dir, { folder: 'refcoco+', splitter: 'unc', tests: ['val', 'testB'] }, photos);
}

/** Parameters as `makeRefcoco`. */
export function makeRefcocog(dir: string, photos: string = dir): Promise<void> {
  return makeRefer(dir, { folder: 'refcocog', splitter: 'umd', tests: ['val', 'test'] }, photos);
}

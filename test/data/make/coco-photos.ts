/** The photos of COCO in miniature: eight pictures under COCO's ids and names, six of train and two of val. */

import { join } from 'node:path';
import { picture, writeShapes } from './shapes.ts';

const TRAIN = 6;
const FIRST_ID = 100;

/** A photo and its picture. */
export interface CocoPhoto {
  /** Number of the picture. */
  n: number;
  id: number;
  split: 'train' | 'val';
  width: number;
  height: number;
}

export const COCO_PHOTOS: readonly CocoPhoto[] = Array.from({ length: 8 }, (_, n) => {
  const { width, height } = picture(n);
  return { n, id: FIRST_ID + n, split: n < TRAIN ? 'train' : 'val', width, height } as const;
});

/** `COCO_train2014_000000000100.jpg`, or `000000000100.jpg` as of 2017. */
export function cocoFileName({ id, split }: CocoPhoto, year: 2014 | 2017): string {
  const number = String(id).padStart(12, '0');
  return year === 2017 ? `${number}.jpg` : `COCO_${split}2014_${number}.jpg`;
}

/**
 * Writes the photos into `train2014` and `val2014`, or the folders of 2017.
 * @param dir folder of COCO
 */
export async function makeCocoPhotos(dir: string, year: 2014 | 2017 = 2014): Promise<void> {
  for (const photo of COCO_PHOTOS) {
    await writeShapes(join(dir, `${photo.split}${year}`, cocoFileName(photo, year)), photo.n);
  }
}

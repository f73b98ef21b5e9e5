/** COCO captions in miniature, as published: two sentences for each photo. */

import { COCO_PHOTOS, cocoFileName, makeCocoPhotos } from './coco-photos.ts';
import { picture, sentenceOf, writeFiles } from './shapes.ts';

/** @param dir folder of COCO: annotations, train2017, val2017 */
export async function makeCocoCaption(dir: string): Promise<void> {
  for (const split of ['train', 'val'] as const) {
    const photos = COCO_PHOTOS.filter((photo) => photo.split === split);
    const images = photos.map((photo) => ({
      id: photo.id,
      file_name: cocoFileName(photo, 2017),
      width: photo.width,
      height: photo.height,
    }));
    const annotations = photos.flatMap(({ id, n }) => {
      const [left, right] = picture(n).things;
      const captions = [sentenceOf(picture(n)), `Two shapes on grey: a ${right.name}, a ${left.name}`];
      return captions.map((caption, place) => ({ id: id * 10 + place, image_id: id, caption }));
    });
    await writeFiles(dir, {
      [`annotations/captions_${split}2017.json`]: { info: {}, licenses: [], images, annotations },
    });
  }
  await makeCocoPhotos(dir, 2017);
}

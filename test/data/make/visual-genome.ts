/** Visual Genome's regions and GQA's questions in miniature, as published: GQA asks about the photos of Visual Genome. */

import { join } from 'node:path';
import { picture, sentenceOf, writeFiles, writeShapes, xywhOf } from './shapes.ts';

const PHOTOS = Array.from({ length: 6 }, (_, n) => ({ n, id: 2000 + n, folder: n < 4 ? 'VG_100K' : 'VG_100K_2' }));

/** @param dir root of Visual Genome */
export async function makeVisualGenome(dir: string): Promise<void> {
  const regions = PHOTOS.map(({ n, id }) => ({
    id,
    regions: picture(n).things.map((thing, place) => {
      const [x, y, width, height] = xywhOf(thing);
      return {
        region_id: id * 10 + place,
        image_id: id,
        x,
        y,
        width,
        height,
        phrase: `the ${thing.name} on the ${thing.side}`,
      };
    }),
  }));
  const images = PHOTOS.map(({ n, id, folder }) => ({
    image_id: id,
    url: `https://example.org/rak248/${folder}/${id}.jpg`,
    width: picture(n).width,
    height: picture(n).height,
    coco_id: n === 0 ? 100 : null,
    flickr_id: null,
  }));
  await writeFiles(dir, { 'region_descriptions.json': regions, 'image_data.json': images });
  for (const { n, id, folder } of PHOTOS) await writeShapes(join(dir, folder, `${id}.jpg`), n);
}

/** @param dir root of GQA */
export async function makeGqa(dir: string): Promise<void> {
  for (const [split, photos] of [
    ['train', PHOTOS.slice(0, 4)],
    ['val', PHOTOS.slice(4, 5)],
    ['testdev', PHOTOS.slice(5)],
  ] as const) {
    const rows = photos.flatMap(({ n, id }) => {
      const [left, right] = picture(n).things;
      return [
        {
          question: `What is to the right of the ${left.shape}?`,
          imageId: String(id),
          answer: right.shape,
          fullAnswer: `The ${right.shape} is to the right of the ${left.shape}.`,
          isBalanced: true,
          types: { structural: 'query', semantic: 'rel', detailed: 'relO' },
        },
        {
          question: `Is the ${left.shape} ${left.colour} or plaid?`,
          imageId: String(id),
          answer: left.colour,
          fullAnswer: sentenceOf(picture(n)),
          isBalanced: true,
          types: { structural: 'choose', semantic: 'attr', detailed: 'chooseAttr' },
        },
      ].map((row, place) => [`0${id}${place}`, row] as const);
    });
    await writeFiles(dir, { [`${split}_balanced_questions.json`]: Object.fromEntries(rows) });
  }
  for (const { n, id } of PHOTOS) await writeShapes(join(dir, 'images', `${id}.jpg`), n);
}

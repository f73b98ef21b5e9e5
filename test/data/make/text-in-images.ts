/** TextCaps and OCR-VQA in miniature, as published. The pictures hold no letters: what is said of them is invented. */

import { join } from 'node:path';
import { picture, writeFiles, writeShapes } from './shapes.ts';

/** @param dir root of TextCaps: the annotations and the folder train_images, which holds the photos of val too */
export async function makeTextcaps(dir: string): Promise<void> {
  const ids = ['00a1b2c3d4e5f601', '00a1b2c3d4e5f602', '00a1b2c3d4e5f603', '00a1b2c3d4e5f604'];
  const photos = ids.map((id, n) => ({ id, n, set: n < 3 ? 'train' : 'val' }));
  for (const set of ['train', 'val']) {
    const data = photos
      .filter((photo) => photo.set === set)
      .flatMap(({ id, n }) => {
        const { width, height, things } = picture(n);
        const captions = [
          `A sign reads "open till 10:15" beside a ${things[0].name}.`,
          `A tag of $3.50 on a ${things[1].name}`,
        ];
        return captions.map((caption, place) => ({
          image_id: id,
          caption_id: n * 5 + place,
          caption_str: caption,
          caption_tokens: caption.toLowerCase().split(' '),
          reference_strs: captions,
          reference_tokens: [],
          image_classes: ['Sign'],
          image_width: width,
          image_height: height,
          set_name: set,
          image_name: id,
          image_path: `train/${id}.jpg`,
        }));
      });
    await writeFiles(dir, {
      [`TextCaps_0.1_${set}.json`]: { dataset_type: set, dataset_name: 'textcaps', dataset_version: '0.1', data },
    });
  }
  for (const { id, n } of photos) await writeShapes(join(dir, 'train_images', `${id}.jpg`), n);
}

/** @param dir root of OCR-VQA: dataset.json and the folder images */
export async function makeOcrvqa(dir: string): Promise<void> {
  const books = Array.from({ length: 5 }, (_, n) => ({
    n,
    id: `00012345${n}X`,
    extension: n === 2 ? 'png' : 'jpg',
    split: n < 3 ? 1 : n - 1,
  }));
  const entries = books.map(({ n, id, extension, split }) => {
    const [left, right] = picture(n).things;
    const title = `The ${left.name}: Tales of ${n + 1}.5 Days (2nd Ed.)`;
    const record = {
      imageURL: `http://example.org/images/I/${id}.${extension}`,
      questions: ['Who wrote this book?', 'What is the title of this book?', 'Is this book about shapes?'],
      answers: [`Dr. A. ${right.colour}`, title, 'Yes'],
      title,
      authorName: `Dr. A. ${right.colour}`,
      genre: 'Shapes',
      split,
    };
    return [id, record] as const;
  });
  await writeFiles(dir, { 'dataset.json': Object.fromEntries(entries) });
  for (const { n, id, extension } of books) await writeShapes(join(dir, 'images', `${id}.${extension}`), n);
}

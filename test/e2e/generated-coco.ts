/** A folder in COCO's layout with generated photos: coloured shapes and captions that say what they show. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { temporaryFolder } from '../support/temporary-folder.ts';

const COLOURS = ['red', 'green', 'blue', 'white'] as const;
const SHAPES = {
  square: '<rect x="24" y="16" width="48" height="48"',
  disc: '<circle cx="48" cy="40" r="26"',
} as const;

/**
 * Makes the folder.
 * @returns what TRISTAGE_SAMPLE_DIR should be: the folder that holds coco/
 */
export async function generatedCoco(): Promise<string> {
  const folder = temporaryFolder('tristage-coco-');
  const coco = join(folder, 'coco');
  mkdirSync(join(coco, 'annotations'), { recursive: true });
  mkdirSync(join(coco, 'train2017'));
  const images: { id: number; file_name: string; width: number; height: number }[] = [];
  const annotations: { id: number; image_id: number; caption: string }[] = [];
  for (const [c, colour] of COLOURS.entries()) {
    for (const [s, [shape, drawing]] of Object.entries(SHAPES).entries()) {
      const id = 1 + c * 2 + s;
      const name = `${String(id).padStart(12, '0')}.jpg`;
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="96" height="80"><rect width="96" height="80" fill="#555"/>${drawing} fill="${colour}"/></svg>`;
      await sharp(Buffer.from(svg))
        .jpeg()
        .toFile(join(coco, 'train2017', name));
      images.push({ id, file_name: name, width: 96, height: 80 });
      annotations.push({ id, image_id: id, caption: `A ${colour} ${shape} on a grey ground.` });
    }
  }
  writeFileSync(join(coco, 'annotations/captions_train2017.json'), JSON.stringify({ images, annotations }));
  return folder;
}

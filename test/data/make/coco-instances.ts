import { join } from 'node:path';
import { writeContent, writePicture } from './pictures.ts';

/** Three photos of 100 x 50 with dogs, a cat and a crowd of people, as COCO lists them: annotations in no order of photos. */
export async function makeCocoInstances(dir: string): Promise<void> {
  const images = [1, 2, 3].map((id) => ({
    id,
    file_name: `${String(id).padStart(12, '0')}.jpg`,
    width: 100,
    height: 50,
  }));
  for (const { id, file_name } of images) {
    await writePicture(join(dir, 'train2017', file_name), { width: 100, height: 50, seed: id });
  }
  const one = (id: number, image: number, category: number, bbox: number[], crowd = 0) => ({
    id,
    image_id: image,
    category_id: category,
    bbox,
    area: bbox[2]! * bbox[3]!,
    iscrowd: crowd,
    segmentation: crowd === 1 ? { counts: [1, 2], size: [50, 100] } : [[0, 0, 1, 0, 1, 1]],
  });
  const annotations = [
    one(21, 2, 18, [0, 0, 50, 25]),
    one(11, 1, 18, [10, 10, 20, 20]),
    one(31, 3, 1, [5, 5, 20, 30]),
    one(12, 1, 18, [60, 10, 20, 20]),
    one(32, 3, 1, [0, 0, 100, 50], 1),
    one(13, 1, 17, [40, 0, 20, 50]),
    one(33, 3, 17, [50, 0, 50, 50]),
  ];
  const categories = [
    { id: 1, name: 'person', supercategory: 'person' },
    { id: 17, name: 'cat', supercategory: 'animal' },
    { id: 18, name: 'dog', supercategory: 'animal' },
  ];
  await writeContent(join(dir, 'annotations/instances_train2017.json'), {
    info: {},
    licenses: [],
    images,
    annotations,
    categories,
  });
}

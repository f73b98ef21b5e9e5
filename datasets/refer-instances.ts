/** The boxes of objects in a COCO file of instances, read item by item; only what is asked for is kept. */

import type { ImageSize } from '../lib/data/boxes.ts';
import { jsonArrayItems } from '../lib/formats/json-stream.ts';
import { malformedRow, recordOf } from './annotation-files.ts';

/** One annotated object. */
export interface Instance {
  imageId: number;
  /** x, y, width, height in pixels. */
  bbox: readonly [number, number, number, number];
  /** Name of its category. */
  name?: string;
}

export interface Instances {
  readonly boxes: ReadonlyMap<number, Instance>;
  readonly sizes: ReadonlyMap<number, ImageSize>;
}

/**
 * @param path `{images, annotations, categories}`
 * @param wanted the annotations and images to keep
 * @throws TristageError of kind `data` for another shape, E_SOURCE naming the item
 */
export async function readInstances(
  path: string,
  wanted: readonly { annId: number; imageId: number }[],
): Promise<Instances> {
  const annIds = new Set(wanted.map(({ annId }) => annId));
  const imageIds = new Set(wanted.map(({ imageId }) => imageId));
  const names = new Map<unknown, string>();
  for await (const item of jsonArrayItems(path, { key: 'categories' })) {
    const { id, name } = recordOf(item) ?? {};
    if (typeof name === 'string') names.set(id, name);
  }
  const sizes = new Map<number, ImageSize>();
  for await (const item of jsonArrayItems(path, { key: 'images' })) {
    const { id, width, height } = recordOf(item) ?? {};
    if (typeof id !== 'number')
      throw malformedRow(`${path}, images`, { found: item, expected: 'id, width and height' });
    if (imageIds.has(id) && isSide(width) && isSide(height)) sizes.set(id, { width, height });
  }
  const boxes = new Map<number, Instance>();
  for await (const item of jsonArrayItems(path, { key: 'annotations' })) {
    const { id, image_id: imageId, bbox, category_id: category } = recordOf(item) ?? {};
    if (!(typeof id === 'number' && typeof imageId === 'number')) {
      throw malformedRow(`${path}, annotations`, { found: item, expected: 'id, image_id and bbox' });
    }
    const name = names.get(category);
    if (annIds.has(id) && isBox(bbox)) boxes.set(id, { imageId, bbox, ...(name === undefined ? {} : { name }) });
  }
  return { boxes, sizes };
}

function isSide(value: unknown): value is number {
  return typeof value === 'number' && value > 0 && Number.isFinite(value);
}

function isBox(value: unknown): value is Instance['bbox'] {
  return Array.isArray(value) && value.length === 4 && value.every(Number.isFinite);
}

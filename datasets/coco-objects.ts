/** The objects of a COCO file of instances, image by image. The file lists them in any order; what is kept of each is a few numbers. */

import { type Box, clipBox, fromCoco } from '../lib/data/boxes.ts';
import type { RowScan } from '../lib/data/row-source.ts';
import { jsonArrayItems } from '../lib/formats/json-stream.ts';
import { malformedRow, recordOf } from './annotation-files.ts';

/** An object of a photo. */
export interface CocoObject {
  /** Of the annotation. */
  id: number;
  /** Name of its category. */
  name: string;
  box: Box;
}

/** A photo with its objects. */
export interface CocoPhoto {
  id: number;
  fileName: string | undefined;
  width: number;
  height: number;
  objects: CocoObject[];
  /** Categories that have a crowd here, or a box that cannot be used: what is known of them is not all there is. */
  incomplete: Set<string>;
}

/**
 * Photos that have objects, in the order of the file.
 * @param path `{images, annotations, categories}`
 * @throws TristageError of kind `data` for another structure
 */
export async function* cocoPhotos(path: string, scan: RowScan): AsyncIterable<CocoPhoto> {
  const names = await categoriesOf(path);
  const images = await imagesOf(path, scan);
  const table = await annotationsOf(path, { names, images, scan });
  for (const [place, photo] of images.list.entries()) {
    scan.signal?.throwIfAborted();
    const rows = table.of(place);
    if (rows.length > 0) yield photoWith(photo, { rows, table, scan });
  }
}

interface Photo {
  id: number;
  fileName: string | undefined;
  width: number;
  height: number;
}

interface Images {
  list: Photo[];
  places: Map<number, number>;
}

async function categoriesOf(path: string): Promise<Map<unknown, string>> {
  const names = new Map<unknown, string>();
  for await (const item of jsonArrayItems(path, { key: 'categories' })) {
    const { id, name } = recordOf(item) ?? {};
    if (!(typeof id === 'number' && typeof name === 'string' && name.trim() !== '')) {
      throw malformedRow(`${path}, categories`, { found: item, expected: 'id and name' });
    }
    names.set(id, name.trim());
  }
  return names;
}

async function imagesOf(path: string, scan: RowScan): Promise<Images> {
  const list: Photo[] = [];
  const places = new Map<number, number>();
  for await (const item of jsonArrayItems(path, { key: 'images' })) {
    const { id, file_name: fileName, width, height } = recordOf(item) ?? {};
    if (typeof id !== 'number')
      throw malformedRow(`${path}, images`, { found: item, expected: 'id, file_name, width and height' });
    if (!(isSide(width) && isSide(height))) scan.reject('image size unknown', `${path}, image ${id}`);
    else if (places.has(id)) scan.reject('image listed twice', `${path}, image ${id}`);
    else {
      places.set(id, list.length);
      list.push({ id, fileName: typeof fileName === 'string' ? fileName : undefined, width, height });
    }
  }
  return { list, places };
}

function isSide(value: unknown): value is number {
  return typeof value === 'number' && value > 0 && Number.isFinite(value);
}

/** x, y, width, height, the annotation's id and the place of its category; a crowd has -1 - that place. */
const COLUMNS = 6;

interface Table {
  names: readonly string[];
  /** Rows of an image, in file order. */
  of(image: number): ArrayLike<number>;
  column(row: number, column: number): number;
}

/** Reads all annotations into plain numbers, and an order of them by image. */
async function annotationsOf(
  path: string,
  { names, images, scan }: { names: Map<unknown, string>; images: Images; scan: RowScan },
): Promise<Table> {
  const categories = new Map([...names.keys()].map((id, place) => [id, place]));
  let values = new Float64Array(COLUMNS * 1024);
  let owners = new Int32Array(1024);
  let count = 0;
  for await (const item of jsonArrayItems(path, { key: 'annotations' })) {
    const { id, image_id: image, category_id: category, bbox, iscrowd } = recordOf(item) ?? {};
    if (!(typeof id === 'number' && typeof image === 'number')) {
      throw malformedRow(`${path}, annotations`, { found: item, expected: 'id, image_id, category_id and bbox' });
    }
    const [owner, kind] = [images.places.get(image), categories.get(category)];
    if (owner === undefined || kind === undefined || !isBox(bbox)) {
      scan.reject(reasonOf(owner, kind), `${path}, annotation ${id}`);
      continue;
    }
    if (count === owners.length) [values, owners] = [grown(values), grown(owners)];
    values.set([...bbox, id, iscrowd === 1 || iscrowd === true ? -1 - kind : kind], count * COLUMNS);
    owners[count++] = owner;
  }
  const { starts, order } = grouped(owners.subarray(0, count), images.list.length);
  return {
    names: [...names.values()],
    of: (image) => order.subarray(starts[image], starts[image + 1]),
    column: (row, column) => values[row * COLUMNS + column] as number,
  };
}

function reasonOf(owner: number | undefined, kind: number | undefined): string {
  if (owner === undefined) return 'annotation of no listed image';
  return kind === undefined ? 'unknown category' : 'no box';
}

function isBox(value: unknown): value is [number, number, number, number] {
  return Array.isArray(value) && value.length === 4 && value.every(Number.isFinite);
}

function grown<A extends Float64Array<ArrayBuffer> | Int32Array<ArrayBuffer>>(array: A): A {
  const larger = new (array.constructor as new (length: number) => A)(array.length * 2);
  larger.set(array);
  return larger;
}

/** A stable order by group: rows of group g are `order[starts[g]]` to `order[starts[g + 1] - 1]`. */
function grouped(owners: Int32Array, groups: number): { starts: Int32Array; order: Int32Array } {
  const starts = new Int32Array(groups + 1);
  for (const owner of owners) starts[owner + 1] = (starts[owner + 1] as number) + 1;
  for (let group = 0; group < groups; group++)
    starts[group + 1] = (starts[group + 1] as number) + (starts[group] as number);
  const next = starts.slice();
  const order = new Int32Array(owners.length);
  for (const [row, owner] of owners.entries()) {
    order[next[owner] as number] = row;
    next[owner] = (next[owner] as number) + 1;
  }
  return { starts, order };
}

function photoWith(
  photo: Photo,
  { rows, table, scan }: { rows: ArrayLike<number>; table: Table; scan: RowScan },
): CocoPhoto {
  const objects: CocoObject[] = [];
  const incomplete = new Set<string>();
  for (const row of Array.from(rows)) {
    const [x, y, width, height, id, kind] = Array.from({ length: COLUMNS }, (_, column) =>
      table.column(row, column),
    ) as [number, number, number, number, number, number];
    const name = table.names[kind < 0 ? -1 - kind : kind] as string;
    const box = width > 0 && height > 0 ? clipBox(fromCoco([x, y, width, height], photo)) : undefined;
    if (kind < 0) scan.reject('crowd', `annotation ${id}`);
    else if (box === undefined) scan.reject('box without area inside the image', `annotation ${id}`);
    if (kind < 0 || box === undefined) incomplete.add(name);
    else objects.push({ id, name, box });
  }
  return { ...photo, objects, incomplete };
}

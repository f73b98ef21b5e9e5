/** Conversations about photos of COCO, as LLaVA's files hold them: `[{id, image, conversations: [{from, value}, ...]}, ...]`. */

import { z } from 'zod';
import type { RowScan, SourceRow } from '../lib/data/row-source.ts';
import type { Turn } from '../lib/data/sample.ts';
import { jsonArrayItems } from '../lib/formats/json-stream.ts';
import { recordOf } from './annotation-files.ts';
import { cocoNames, openCocoFolders, USUAL_COCO_FOLDERS } from './coco-images.ts';
import { turnsOf } from './conversation-turns.ts';
import { excludeOption, readExcluded } from './excluded-images.ts';
import { type ImageFolders, imageOptions, openImageFolders, photosOf } from './image-folders.ts';

/** The options that say where the files lie. */
export const conversationOptions = {
  annotations: z
    .string()
    .min(1)
    .optional()
    .meta({ path: true })
    .describe('File of conversations. Default: the known names under root/annotations or root.'),
  ...imageOptions(`${USUAL_COCO_FOLDERS}; those of flickr30k`),
  exclude: excludeOption,
};

interface Request {
  source: string;
  /** A JSON array. */
  path: string;
  root: string;
  images?: readonly string[] | undefined;
  missing: number;
  exclude?: readonly string[] | undefined;
}

/** Rows of a file; each is a conversation with its photo, by name or by the COCO id that the original goes by. */
export async function* conversationRows(
  { source, path, root, images, missing, exclude }: Request,
  scan: RowScan,
): AsyncIterable<SourceRow<Turn[]>> {
  const folders = await photoFolders(root, images);
  const photos = photosOf({ source, root, folders, missing, scan, excluded: await readExcluded(root, exclude) });
  const seen = new Map<string, number>();
  let place = -1;
  for await (const item of jsonArrayItems(path)) {
    place++;
    const { id, image, conversations } = recordOf(item) ?? {};
    const name = typeof id === 'string' || typeof id === 'number' ? String(id) : String(place);
    const where = `${path}, item ${place} (${name})`;
    const turns = turnsOf(conversations);
    if ('fault' in turns) {
      scan.reject(turns.fault, where);
      continue;
    }
    const file = photos.take({ ...photoNames(image, name), where });
    if (file === undefined) continue;
    const count = seen.get(name) ?? 0;
    seen.set(name, count + 1);
    yield { id: count === 0 ? name : `${name}#${count}`, image: file, record: turns.turns };
  }
  photos.check();
}

const FLICKR_FOLDERS = ['.', 'flickr30k', '../flickr30k'].flatMap((folder) => [
  `${folder}/flickr30k-images`,
  `${folder}/images`,
]);

/** The named folders, or all in which photos of conversations usually lie: the original's are of COCO, built ones of Flickr30k too. */
async function photoFolders(root: string, images: readonly string[] | undefined): Promise<ImageFolders> {
  if (images !== undefined) return openImageFolders(root, images);
  const places = [await openCocoFolders(root), await openImageFolders(root, FLICKR_FOLDERS)];
  return {
    folders: places.flatMap(({ folders }) => folders),
    find: (names) => places.map((place) => place.find(names)).find((path) => path !== undefined),
  };
}

/** Names of COCO's photos, in both years, and the ids that LLaVA gives; a short number is the name of another set. */
const COCO_NAME = /(?:^|[/_])(\d{12})(?:\.[A-Za-z]+)?$/;

function photoNames(image: unknown, id: string): { names: string[]; cocoId: number | undefined } {
  const name = typeof image === 'string' && image !== '' ? image : undefined;
  const match = COCO_NAME.exec(name ?? id);
  const cocoId = match === null ? undefined : Number(match[1]);
  return { names: cocoNames(name, cocoId), cocoId };
}

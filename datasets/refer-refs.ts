/** The refs of REFER (RefCOCO, RefCOCO+, RefCOCOg): objects with the expressions that people gave for them, as a pickle or as JSON. */

import { readFile } from 'node:fs/promises';
import { TristageError } from '../lib/core/errors.ts';
import { jsonArrayItems } from '../lib/formats/json-stream.ts';
import { NUMPY_GLOBALS } from '../lib/formats/numpy-pickle.ts';
import { type PickleLimits, unpickle } from '../lib/formats/pickle.ts';
import { malformedRow, recordOf } from './annotation-files.ts';

/** One object with its expressions. */
export interface Ref {
  refId: number;
  annId: number;
  imageId: number;
  split: string;
  /** As people wrote them. */
  sentences: readonly { id: number | undefined; text: string }[];
}

/** The largest published file has 50,000 refs and 142,000 sentences, about 3 million values. */
const LIMITS: PickleLimits = { bytes: 1 << 29, operations: 200_000_000, objects: 40_000_000 };

/**
 * The refs of a file, in its order.
 * @param path a Python pickle, or JSON where the name ends in `.json`
 * @throws TristageError of kind `data` for a damaged file or another shape
 */
export async function* readRefs(path: string): AsyncIterable<Ref> {
  let place = 0;
  for await (const value of path.endsWith('.json') ? jsonArrayItems(path) : pickledItems(path)) {
    yield refOf(value, `${path}, ref ${place}`);
    place += 1;
  }
}

async function* pickledItems(path: string): AsyncIterable<unknown> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw damaged(path, { found: String((cause as NodeJS.ErrnoException).code ?? cause), cause });
  });
  let value: unknown;
  try {
    value = unpickle(bytes, { where: path, globals: NUMPY_GLOBALS, limits: LIMITS }).value;
  } catch (cause) {
    // Pickles are otherwise checkpoints; here a broken one is a fault of the data.
    if (!(cause instanceof TristageError)) throw cause;
    throw damaged(path, { found: `${cause.message}${cause.found === undefined ? '' : `: ${cause.found}`}`, cause });
  }
  if (!Array.isArray(value)) throw damaged(path, { found: 'a pickle of something else' });
  for (const item of value) yield plainOf(item);
}

/** Dicts of a pickle are Maps; JSON's are objects. */
function plainOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plainOf);
  if (!(value instanceof Map)) return value;
  return Object.fromEntries([...value].map(([key, item]) => [String(key), plainOf(item)]));
}

function refOf(value: unknown, where: string): Ref {
  const ref = recordOf(value);
  const refId = ref?.['ref_id'];
  const annId = ref?.['ann_id'];
  const imageId = ref?.['image_id'];
  const split = ref?.['split'];
  const sentences = ref?.['sentences'];
  const whole = [refId, annId, imageId].every(Number.isSafeInteger) && typeof split === 'string';
  if (!(whole && Array.isArray(sentences))) {
    throw malformedRow(where, { found: value, expected: 'ref_id, ann_id, image_id, split and sentences' });
  }
  return {
    refId: refId as number,
    annId: annId as number,
    imageId: imageId as number,
    split,
    sentences: sentences.map((sentence) => sentenceOf(sentence, where)),
  };
}

function sentenceOf(value: unknown, where: string): Ref['sentences'][number] {
  const sentence = recordOf(value);
  const text = sentence?.['raw'] ?? sentence?.['sent'];
  const id = sentence?.['sent_id'];
  if (typeof text !== 'string') throw malformedRow(where, { found: value, expected: 'a sentence with raw or sent' });
  return { id: typeof id === 'number' ? id : undefined, text };
}

function damaged(where: string, { found, cause }: { found: string; cause?: unknown }): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_SOURCE',
    message: 'a file of referring expressions cannot be read',
    where,
    found,
    expected: 'the refs of REFER, a pickled list of dicts or the same as JSON',
    fix: 'fetch the file again',
    ...(cause === undefined ? {} : { cause }),
  });
}

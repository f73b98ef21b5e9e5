/**
 * Makes a file of multi-task conversations from public annotations, since the original's was only partly released: several questions
 * of different tasks about one photo, in the form that LLaVA's files have.
 */

import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { z } from 'zod';
import { writeStreamAtomic } from '../lib/core/atomic.ts';
import { TristageError } from '../lib/core/errors.ts';
import { keyOfText, randomStream } from '../lib/core/rng.ts';
import { isRowSource } from '../lib/data/row-source.ts';
import { nameOfImage, type Sample } from '../lib/data/sample.ts';
import { emptySource, type OpenSource, type Source, type SourceBuildRequest } from '../lib/data/source.ts';
import type { Task } from '../lib/data/task.ts';
import { cocoCaption } from './coco-caption.ts';
import { cocoInstances } from './coco-instances.ts';
import { flickr30k } from './flickr30k.ts';
import { type Candidate, drawTurns, samplesByPhoto } from './multitask-turns.ts';
import { refcoco } from './refcoco.ts';
import { refcocoPlus } from './refcoco-plus.ts';
import { refcocog } from './refcocog.ts';

const NAME = 'multitask-conversation';

const folder = z.string().min(1).optional();

/** Options of the build. */
export const multitaskBuildOptions = z.strictObject({
  coco: folder.describe('Folder of COCO: captions, instances, photos. Default: coco below root, or root.'),
  refer: folder.describe('Folder of refcoco, refcoco+ and refcocog. Default: refer below root, or root.'),
  flickr30k: folder.describe('Folder of Flickr30k Entities. Default: flickr30k below root, or root.'),
  seed: z.int().min(0).max(4_294_967_295).default(0).describe('Chooses questions and wordings.'),
  turns: z
    .int()
    .min(2)
    .max(10)
    .default(4)
    .describe('Most questions of a conversation; it has at least two, of different tasks.'),
  photos: z
    .int()
    .min(1)
    .optional()
    .describe('Most conversations, a seeded choice. Default: one for each photo about which two tasks can be asked.'),
});

export interface MultitaskBuild {
  conversations: number;
  /** Turns of each task. */
  turns: Partial<Record<Task, number>>;
  /** What was left out and why, for people. */
  notes: string[];
}

interface Part {
  source: Source;
  task: Task;
  root: string;
  options: Readonly<Record<string, unknown>>;
}

/**
 * Writes the file; equal annotations and options give equal bytes.
 * @param request root: folder that holds coco, refer and flickr30k; file: the JSON array
 * @throws TristageError E_SOURCE when fewer than two tasks can be asked, or when annotations are there and their photos are not;
 *   E_SOURCE_OPTIONS for options that are not valid
 */
export async function buildMultitask({ root, file, options, info }: SourceBuildRequest): Promise<MultitaskBuild> {
  const chosen = checked(options);
  const notes: string[] = [];
  const parts: { source: OpenSource; task: Task }[] = [];
  for (const part of await partsThatAreThere(root, chosen, notes)) {
    const source = await openPart(part, notes);
    if (source === undefined) continue;
    info(`${source.name} (${part.task}): ${source.length} samples`);
    parts.push({ source, task: part.task });
  }
  if (new Set(parts.map(({ task }) => task)).size < 2) {
    throw emptySource(NAME, {
      where: root,
      found: 'annotations of fewer than two tasks',
      expected: 'RefCOCO below refer, COCO below coco, Flickr30k below flickr30k',
      notes,
    });
  }
  const photos = drawPhotos(await samplesByPhoto(parts), chosen);
  const turns: Partial<Record<Task, number>> = {};
  let conversations = 0;
  await writeStreamAtomic(file, async (handle) => {
    for (const [photo, candidates] of photos) {
      if (conversations === chosen.photos) break;
      const samples = await drawTurns(photo, { candidates, seed: chosen.seed, most: chosen.turns });
      if (samples.length === 0) continue;
      await handle.write(`${conversations++ === 0 ? '[' : ','}\n${JSON.stringify(conversation(samples))}`);
      for (const { task } of samples) turns[task] = (turns[task] ?? 0) + 1;
    }
    if (conversations === 0) throw emptySource(NAME, { where: root, found: 'no photo with two tasks', notes });
    await handle.write('\n]\n');
  });
  return { conversations, turns, notes };
}

function checked(options: unknown): z.output<typeof multitaskBuildOptions> {
  const parsed = multitaskBuildOptions.safeParse(options);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'options'}: ${message}`);
  throw new TristageError({
    kind: 'config',
    code: 'E_SOURCE_OPTIONS',
    message: `options of building ${NAME}: ${faults.join('; ')}`,
  });
}

/** Parts whose annotations are there; photos that RefCOCO and its like hold back for evaluation are left out of all. */
async function partsThatAreThere(
  root: string,
  options: z.output<typeof multitaskBuildOptions>,
  notes: string[],
): Promise<Part[]> {
  const there: Part[] = [];
  const refs = new Set<string>();
  for (const part of partsOf(root, options)) {
    const inputs = await inputsOf(part, notes);
    if (inputs === undefined) continue;
    there.push(part);
    for (const path of inputs) if (/^refs\b/.test(basename(path))) refs.add(path);
  }
  const exclude = refs.size === 0 ? {} : { exclude: [...refs].sort() };
  return there.map((part) =>
    part.source === flickr30k ? part : { ...part, options: { ...part.options, ...exclude } },
  );
}

function partsOf(root: string, options: z.output<typeof multitaskBuildOptions>): Part[] {
  const below = (name: 'coco' | 'refer' | 'flickr30k'): string => {
    const given = options[name];
    if (given !== undefined) return resolve(root, given);
    return existsSync(join(root, name)) ? join(root, name) : root;
  };
  const images = {
    images: ['.', 'train2017', 'train2014', 'val2017', 'val2014', 'images'].map((name) => join(below('coco'), name)),
  };
  return [
    ...[refcoco, refcocoPlus, refcocog].flatMap((source) =>
      (['refer', 'identify'] as const).map((task) => ({ source, task, root: below('refer'), options: images })),
    ),
    { source: cocoCaption, task: 'caption', root: below('coco'), options: {} },
    { source: cocoInstances, task: 'detection', root: below('coco'), options: {} },
    { source: flickr30k, task: 'grounding', root: below('flickr30k'), options: {} },
    { source: flickr30k, task: 'detection', root: below('flickr30k'), options: { from: 'phrase' } },
  ];
}

async function inputsOf(
  { source, task, root, options }: Part,
  notes: string[],
): Promise<readonly string[] | undefined> {
  if (!isRowSource(source)) return [];
  try {
    return await source.plan({ root, task, ...options }).inputs();
  } catch (error) {
    if (!(error instanceof TristageError && error.code === 'E_SOURCE')) throw error;
    const note = `${source.name} is not there: ${error.expected} in ${error.where}`;
    if (!notes.includes(note)) notes.push(note);
    return undefined;
  }
}

/** A set may be there without its training part; a set whose photos are missing is an error. */
async function openPart({ source, task, root, options }: Part, notes: string[]): Promise<OpenSource | undefined> {
  try {
    return await source.open({ root, task, ...options });
  } catch (error) {
    const empty = error instanceof TristageError && error.message.startsWith(`source ${source.name} gives no samples`);
    if (!empty) throw error;
    const note = `${source.name} has nothing to train on: ${error.found} in ${error.where}`;
    if (!notes.includes(note)) notes.push(note);
    return undefined;
  }
}

/** Photos in order of name, or where not all are wanted in an order that the seed chooses. */
function drawPhotos(
  photos: ReadonlyMap<string, Candidate[]>,
  { photos: most, seed }: { photos?: number | undefined; seed: number },
): readonly (readonly [string, Candidate[]])[] {
  if (most === undefined || most >= photos.size) return [...photos];
  const rank = (photo: string): number => randomStream(seed, keyOfText(photo)).uint32(-1);
  const ranked = [...photos].map((entry) => ({ entry, rank: rank(entry[0]) }));
  return ranked.sort((one, other) => one.rank - other.rank).map(({ entry }) => entry);
}

function conversation(samples: readonly Sample[]): object {
  const image = samples[0]?.image;
  const name = image === undefined ? '' : basename(nameOfImage(image));
  const turns = samples.flatMap((sample) => sample.turns);
  return {
    id: name.replace(/\.[A-Za-z]+$/, '').replace(/^COCO_[a-z]+\d{4}_/, ''),
    image: name,
    conversations: turns.flatMap(({ question, answer }, place) => [
      { from: 'human', value: place === 0 ? `<image>\n${question}` : question },
      { from: 'gpt', value: answer },
    ]),
  };
}

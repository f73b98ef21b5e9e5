/** What is asked about a photo in a built multi-task conversation: samples of several sources by photo, and a seeded draw among them. */

import { basename } from 'node:path';
import { keyOfText, type RandomStream, randomStream } from '../lib/core/rng.ts';
import { nameOfImage, type Sample } from '../lib/data/sample.ts';
import type { OpenSource } from '../lib/data/source.ts';
import type { Task } from '../lib/data/task.ts';

/** A sample of one of the sources. */
export interface Candidate {
  source: OpenSource;
  task: Task;
  index: number;
}

/** A photo of COCO goes by its id, which both years share; any other by its file name. */
const COCO_PHOTO = /(?:^|_)(\d{12})\.[A-Za-z]+$/;
/** Tasks that say everything at once: asked one time at most. */
const WHOLE: readonly Task[] = ['caption', 'grounding'];

/**
 * Samples of all sources by photo, photos in order of name.
 * @param parts open sources with the task that they were opened for
 */
export async function samplesByPhoto(
  parts: readonly { source: OpenSource; task: Task }[],
): Promise<Map<string, Candidate[]>> {
  const photos = new Map<string, Candidate[]>();
  for (const { source, task } of parts) {
    for (let index = 0; index < source.length; index++) {
      const { image } = await source.get(index, () => 0);
      if (image === undefined) continue;
      const name = basename(nameOfImage(image));
      const key = COCO_PHOTO.exec(name)?.[1] ?? name;
      const own = photos.get(key) ?? [];
      own.push({ source, task, index });
      photos.set(key, own);
    }
  }
  return new Map([...photos].sort(([one], [other]) => (one < other ? -1 : 1)));
}

/**
 * Draws the turns of one photo: tasks in turn, so that as many as possible take part, no object twice.
 * @param photo its key; with the seed it decides the draw
 * @param most turns, 2 or more
 * @returns two or more samples of at least two tasks, or none
 */
export async function drawTurns(
  photo: string,
  { candidates, seed, most }: { candidates: readonly Candidate[]; seed: number; most: number },
): Promise<Sample[]> {
  const stream = randomStream(seed, keyOfText(photo));
  const pick = counted(stream);
  const wanted = 2 + pick(most - 1);
  const left = new Map<Task, Candidate[]>();
  for (const candidate of candidates) left.set(candidate.task, [...(left.get(candidate.task) ?? []), candidate]);
  if (left.size < 2) return [];
  const chosen: Sample[] = [];
  const boxes = new Set<string>();
  let tasks = shuffled([...left.keys()], pick);
  while (chosen.length < wanted && tasks.length > 0) {
    const next: Task[] = [];
    for (const task of tasks) {
      if (chosen.length === wanted) break;
      const sample = await drawNew(left.get(task) as Candidate[], { boxes, pick });
      if (sample === undefined) continue;
      chosen.push(sample);
      for (const box of sample.boxes ?? []) boxes.add(box.join());
      if (!WHOLE.includes(task)) next.push(task);
    }
    tasks = next;
  }
  return new Set(chosen.map(({ task }) => task)).size >= 2 ? chosen : [];
}

/** Takes candidates away until one speaks of no box that was asked for: the answer would stand in an earlier turn. */
async function drawNew(
  left: Candidate[],
  { boxes, pick }: { boxes: ReadonlySet<string>; pick: (bound: number) => number },
): Promise<Sample | undefined> {
  while (left.length > 0) {
    const [{ source, index }] = left.splice(pick(left.length), 1) as [Candidate];
    const sample = await source.get(index, pick);
    const known = !WHOLE.includes(sample.task) && (sample.boxes ?? []).some((box) => boxes.has(box.join()));
    if (!known) return sample;
  }
  return undefined;
}

/** Successive draws of a stream. */
function counted(stream: RandomStream): (bound: number) => number {
  let drawn = 0;
  return (bound) => stream.integer(drawn++, bound);
}

function shuffled<T>(items: readonly T[], pick: (bound: number) => number): T[] {
  const left = [...items];
  return Array.from(items, () => left.splice(pick(left.length), 1)[0] as T);
}

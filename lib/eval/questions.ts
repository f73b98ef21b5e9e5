/** Which questions an evaluation asks: always the same ones of a source, in an order that a seed chooses. */

import { TristageError } from '../core/errors.ts';
import { sha256 } from '../core/hash.ts';
import { keyOfText, permuted, randomStream } from '../core/rng.ts';
import { checkSample, type ImageRef, type Sample } from '../data/sample.ts';
import type { OpenSource } from '../data/source.ts';
import type { Task } from '../data/task.ts';

export interface QuestionRequest {
  source: OpenSource;
  /** How many questions of each task are wanted. */
  perTask: number;
  seed: number;
}

export interface Questions {
  samples: Sample[];
  /** What could not be asked, one line each. */
  unusable: string[];
}

/** Keeps this order apart from other uses of a seed. */
const PURPOSE = keyOfText('questions of an evaluation');
/** Samples that cannot be used and are always borne. */
const BORNE = 16;

/**
 * The first samples of a source in a random order, samples of one image together. Ends when every task that was met has its
 * number, or with the source; more questions of the same seed begin with the same ones. Wordings are never drawn: each sample is
 * asked in the first one, so that figures do not depend on a draw.
 * @throws TristageError E_BAD_SAMPLES when more samples cannot be used than can, and what `get` throws beside errors of kind `data`
 */
export async function collectQuestions({ source, perTask, seed }: QuestionRequest): Promise<Questions> {
  const together = source.samplesPerImage ?? 1;
  const groups = Math.ceil(source.length / together);
  const order = randomStream(PURPOSE, seed);
  const found: Questions = { samples: [], unusable: [] };
  const counts = new Map<Task, number>();
  for (let place = 0; place < groups; place++) {
    const start = permuted(place, groups, order) * together;
    for (let index = start; index < Math.min(source.length, start + together); index++) {
      const sample = await usable(source, index, found.unusable);
      if (sample === undefined) continue;
      const count = counts.get(sample.task) ?? 0;
      counts.set(sample.task, count + 1);
      if (count < perTask) found.samples.push(sample);
    }
    if (found.unusable.length > Math.max(BORNE, found.samples.length)) throw tooMany(source.name, found);
    if (counts.size > 0 && [...counts.values()].every((count) => count >= perTask)) break;
  }
  if (found.samples.length === 0) throw tooMany(source.name, found);
  return found;
}

async function usable(source: OpenSource, index: number, unusable: string[]): Promise<Sample | undefined> {
  try {
    const sample = await source.get(index, () => 0);
    checkSample(sample);
    return sample;
  } catch (error) {
    if (!(error instanceof TristageError && error.kind === 'data')) throw error;
    unusable.push(
      `${error.where ?? `${source.name}: ${index}`}: ${error.message}${error.found ? `, ${error.found}` : ''}`,
    );
    return undefined;
  }
}

function tooMany(name: string, { samples, unusable }: Questions): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_BAD_SAMPLES',
    message: 'too many samples cannot be asked',
    where: name,
    found: `${unusable.length} beside ${samples.length} that can; the last: ${unusable.at(-1) ?? 'none'}`,
    expected: 'samples with questions, answers and readable images',
    fix: 'repair or fetch the files of this source again',
  });
}

/** The same samples, in which equal images are one object, so that each is kept and encoded once. */
export function withSharedImages(samples: readonly Sample[]): Sample[] {
  const byObject = new Map<ImageRef, ImageRef>();
  const byContent = new Map<string, ImageRef>();
  const shared = (image: ImageRef): ImageRef => {
    const known = byObject.get(image);
    if (known !== undefined) return known;
    const key = contentKey(image);
    const first = byContent.get(key) ?? image;
    byContent.set(key, first);
    byObject.set(image, first);
    return first;
  };
  return samples.map((sample) => (sample.image === undefined ? sample : { ...sample, image: shared(sample.image) }));
}

function contentKey(image: ImageRef): string {
  if ('path' in image) return `path ${image.path}`;
  if ('bytes' in image) return `bytes ${sha256(image.bytes)}`;
  return `pixels ${image.width} ${image.height} ${sha256(image.pixels)}`;
}

/**
 * The control in which each question is asked of another image of the evaluation: what a model still answers rightly then, it does
 * not answer from the image. Questions about one image stay together, and no image keeps its place.
 * @param samples as `withSharedImages` gives them
 * @returns undefined where there are not two images
 */
export function withOtherImages(samples: readonly Sample[]): Sample[] | undefined {
  const images = [...new Set(samples.flatMap(({ image }) => image ?? []))];
  if (images.length < 2) return undefined;
  // The order of the questions is random already, so the neighbour is any other image.
  const other = new Map(images.map((image, place) => [image, images[(place + 1) % images.length] as ImageRef]));
  return samples.map((sample) => {
    const image = sample.image && other.get(sample.image);
    return image === undefined ? sample : { ...sample, image };
  });
}

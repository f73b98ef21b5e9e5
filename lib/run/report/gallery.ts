/** The scenes of a report: the first images of an evaluation with their questions, opened again from their source. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { TristageError } from '../../core/errors.ts';
import { decodeImage } from '../../data/image.ts';
import type { ImageRef, Sample } from '../../data/sample.ts';
import type { Source } from '../../data/source.ts';
import type { Answer } from '../../eval/answer.ts';
import { collectQuestions, withSharedImages } from '../../eval/questions.ts';
import type { Gallery, ShownImage, ShownScene } from '../../report/html/report.ts';
import { pictureUri } from '../../report/picture-uri.ts';
import type { Registry } from '../config.ts';
import { type PredictionsHeader, predictionsFile, readPredictions } from '../eval-report.ts';
import { evaluationFolder } from './read-run.ts';
import { namesOfAnswers, shownQuestion } from './shown-question.ts';

/** Scenes of a page. */
const MOST_SCENES = 12;

export interface GalleryRequest {
  /** Runs that may have answered, by the name of their column. */
  runs: readonly { name: string; folder: string }[];
  registry: Registry;
}

/** The answers of one run. */
interface Answered {
  name: string;
  header: PredictionsHeader;
  answers: readonly Answer[];
  byKey: ReadonlyMap<string, Answer>;
  /** Names of the objects that answers are held against. */
  names: readonly string[];
}

/** An image with what was asked of it. */
interface Scene {
  source: string;
  image?: ImageRef | undefined;
  /** Answers of the run whose questions these are. */
  asked: readonly Answer[];
}

/**
 * Scenes of the last run that was evaluated, with the answers of the other runs to the same questions.
 * @returns undefined where no run was evaluated
 * @throws TristageError E_PREDICTIONS for a file of predictions that is none
 */
export async function openGallery({ runs, registry }: GalleryRequest): Promise<Gallery | undefined> {
  const all = (await Promise.all(runs.map(answeredBy))).filter((own) => own !== undefined);
  const last = all.at(-1);
  if (last === undefined) return undefined;
  const notes: string[] = [];
  const scenes = await scenesOf(last, { registry, notes });
  const keys = scenes.flatMap(({ asked }) => asked.map(keyOf));
  const shown = all.filter(({ byKey }) => keys.some((key) => byKey.has(key)));
  return {
    answeredBy: shown.map(({ name }) => name),
    scenes: await Promise.all(scenes.map((scene) => shownScene(scene, { shown, notes }))),
    notes: [...new Set(notes)],
  };
}

async function answeredBy({ name, folder }: GalleryRequest['runs'][number]): Promise<Answered | undefined> {
  const found = evaluationFolder(folder);
  const path = found === undefined ? undefined : join(found, predictionsFile('model'));
  if (path === undefined || !existsSync(path)) return undefined;
  const { header, answers } = await readPredictions(path);
  return {
    name,
    header,
    answers,
    byKey: new Map(answers.map((answer) => [keyOf(answer), answer])),
    names: namesOfAnswers(answers),
  };
}

/** Ids are unique within their source. */
function keyOf({ source, id }: Pick<Answer, 'source' | 'id'>): string {
  return JSON.stringify([source, id]);
}

/** The first images of every source, as many of each. */
async function scenesOf(last: Answered, context: { registry: Registry; notes: string[] }): Promise<Scene[]> {
  const lines = last.header.sources as readonly ({ source: string } & Record<string, unknown>)[];
  const share = Math.ceil(MOST_SCENES / Math.max(1, lines.length));
  const scenes: Scene[] = [];
  for (const { source: name, samples: _, ...options } of lines) {
    const source = context.registry.sources.find((one) => one.name === name);
    try {
      if (source === undefined)
        throw new Error('there is no such source here; --plugins runs the modules that the run names');
      scenes.push(...(await openedScenes(source, { options, last, share })));
    } catch (error) {
      const told = error instanceof TristageError ? `${error.message}: ${error.where ?? ''} ${error.found ?? ''}` : '';
      context.notes.push(`The images of ${name} cannot be shown: ${told || (error as Error).message}.`);
      scenes.push(...recordedScenes(last, { name, share }));
    }
  }
  return scenes.slice(0, MOST_SCENES);
}

/** Images of a source in the order of the evaluation: fewer questions of the same seed begin with the same ones. */
async function openedScenes(
  source: Source,
  { options, last, share }: { options: Record<string, unknown>; last: Answered; share: number },
): Promise<Scene[]> {
  const opened = await source.open(options as { root: string });
  const { samples } = await collectQuestions({ source: opened, perTask: share, seed: last.header.seed });
  const byImage = new Map<ImageRef, Sample[]>();
  for (const sample of withSharedImages(samples)) {
    if (sample.image !== undefined) byImage.set(sample.image, [...(byImage.get(sample.image) ?? []), sample]);
  }
  const scenes = [...byImage].map(([image, own]): Scene => {
    const asked = own.flatMap((sample) => last.byKey.get(keyOf(sample)) ?? []);
    return { source: opened.name, image, asked };
  });
  const known = scenes.filter(({ asked }) => asked.length > 0);
  if (known.length === 0) throw new Error('its samples are not those that were asked');
  return known.slice(0, share);
}

/** Without the images: answers whose truth is one scene stand together, others alone. */
function recordedScenes({ answers }: Answered, { name, share }: { name: string; share: number }): Scene[] {
  const byTruth = new Map<string, Answer[]>();
  for (const answer of answers) {
    if (answer.source !== name) continue;
    const key = answer.truth?.objects === undefined ? answer.id : JSON.stringify(answer.truth.objects);
    byTruth.set(key, [...(byTruth.get(key) ?? []), answer]);
  }
  return [...byTruth.values()].slice(0, share).map((asked) => ({ source: name, asked }));
}

async function shownScene(
  { source, image, asked }: Scene,
  { shown, notes }: { shown: readonly Answered[]; notes: string[] },
): Promise<ShownScene> {
  let picture: ShownImage | undefined;
  try {
    picture = image === undefined ? undefined : await pictureUri(await decodeImage(image));
  } catch (error) {
    notes.push(`One image cannot be shown: ${(error as Error).message}.`);
  }
  const questions = asked.map((first) =>
    shownQuestion(
      first,
      shown.map(({ byKey, names }) => ({ answer: byKey.get(keyOf(first)), names })),
    ),
  );
  return { id: sceneId(asked), source, image: picture, questions };
}

/** What the ids of the questions of one image have in common, up to a border of words. */
function sceneId(asked: readonly Answer[]): string {
  const [first = '', ...others] = asked.map(({ id }) => id);
  if (others.length === 0) return first;
  let length = first.length;
  for (const other of others) while (!other.startsWith(first.slice(0, length))) length--;
  return first.slice(0, length).replace(/[^\p{L}\p{N}]+[\p{L}\p{N}]*$/u, '') || first;
}

/**
 * GRIT (Peng et al. 2023, "Kosmos-2"; a subset of COYO-700M, annotations MIT, each image under its own licence): web captions whose
 * noun phrases a detector has grounded. Tars as img2dataset writes them with the columns `noun_chunks` and `ref_exps` kept, resized
 * with `keep_ratio` or not at all: padding would move the boxes.
 */

import { z } from 'zod';
import { sha256 } from '../lib/core/hash.ts';
import { type BoxRounding, formatBox, formatPhrase } from '../lib/data/boxes.ts';
import { badSample, type Sample } from '../lib/data/sample.ts';
import { defineSource, type OpenSource } from '../lib/data/source.ts';
import { drawInstruction, type Pick, type Task } from '../lib/data/task.ts';
import { cleanText } from '../lib/data/text-clean.ts';
import type { ShardedSample } from '../lib/formats/tar-samples.ts';
import {
  apartPhrases,
  captionPoints,
  checkAspect,
  type Phrase,
  PhraseError,
  phrasesOf,
  uniquePhrases,
} from './grit-phrases.ts';
import {
  identityOf,
  openWebShards,
  type WebRecord,
  type WebShards,
  webCaption,
  webImage,
  webRecord,
} from './web-shards.ts';

const NAME = 'grit';

const options = z.object({
  minScore: z
    .number()
    .min(0)
    .max(1)
    .default(0.65)
    .describe('Rows below this confidence of the detector are left out. Default: the one GRIT itself was filtered by.'),
  rounding: z
    .enum(['truncate', 'round'])
    .default('truncate')
    .describe('How boxes become integers 0..100; truncate as the original does.'),
});

interface Reading {
  task: Task;
  minScore: number;
  rounding: BoxRounding;
}

/** Records that are read at once when the source is opened. */
const READ_AHEAD = 16;

/** One sample for each image; refer and identify draw one of its expressions at each access. */
export const grit = defineSource({
  name: NAME,
  summary: 'Web images whose captions have boxes for their noun phrases, in tar shards as img2dataset writes them.',
  kind: 'weak',
  tasks: ['refer', 'identify', 'grounding'],
  options,
  async open({ root, task, minScore, rounding }): Promise<OpenSource> {
    const shards = await openWebShards(NAME, { root, needs: ['json'] });
    const reading = { task, minScore, rounding };
    const fit = await fitting(shards, reading);
    const left = shards.length - fit.length;
    return {
      name: NAME,
      length: fit.length,
      fingerprint: sha256(JSON.stringify([NAME, shards.fingerprint, reading, fit])),
      notes:
        left === 0 ? shards.notes : [...shards.notes, `${left} of ${shards.length} samples have nothing to ${task}`],
      get: async (index, pick) => {
        const place = fit[index];
        if (place === undefined) throw new RangeError(`${NAME} has no sample ${index}`);
        return phraseSample(shards.at(place), reading, pick);
      },
    };
  },
});

/**
 * The samples that have a phrase for the task. Damaged ones stay in: the ledger of the run is to show them.
 * @returns their indices, in order
 */
async function fitting(shards: WebShards, reading: Reading): Promise<number[]> {
  const fits = async (index: number): Promise<number[]> => {
    const sample = shards.at(index);
    try {
      await phrasesFor(sample, reading, () => 0);
    } catch (error) {
      if (error instanceof PhraseError && !error.damaged) return [];
    }
    return [index];
  };
  const found: number[][] = [];
  for (let start = 0; start < shards.length; start += READ_AHEAD) {
    const indices = Array.from({ length: Math.min(READ_AHEAD, shards.length - start) }, (_, step) => start + step);
    found.push(...(await Promise.all(indices.map(fits))));
  }
  return found.flat();
}

async function phrasesFor(sample: ShardedSample, reading: Reading, pick: Pick): Promise<Made> {
  const record = (await webRecord(NAME, sample)) ?? {};
  const caption = await webCaption(sample, record);
  checkAspect(record);
  const request = { record, points: captionPoints(caption), pick, ...reading };
  return reading.task === 'grounding' ? grounded(request) : pointed(request);
}

async function phraseSample(sample: ShardedSample, reading: Reading, pick: Pick): Promise<Sample> {
  const identity = identityOf(NAME, sample);
  try {
    const made = await phrasesFor(sample, reading, pick);
    return { ...identity, task: reading.task, image: await webImage(sample), ...made };
  } catch (error) {
    if (!(error instanceof PhraseError)) throw error;
    throw badSample(identity, error.message, 'a caption whose phrases have boxes, on an image that was not padded');
  }
}

interface Request extends Reading {
  record: WebRecord;
  /** The caption in code points. */
  points: readonly string[];
  pick: Pick;
}

type Made = globalThis.Pick<Sample, 'turns' | 'boxes'>;

/** An expression and its box, one asking for the other. */
function pointed({ record, points, task, minScore, rounding, pick }: Request): Made {
  const from = (column: string): Phrase[] => uniquePhrases(phrasesOf(record, { column, points, minScore }));
  const expressions = from('ref_exps');
  const choices = expressions.length > 0 ? expressions : from('noun_chunks');
  const chosen = choices[pick(Math.max(1, choices.length))];
  if (chosen === undefined) throw new PhraseError(`no phrase of one object with a score of ${minScore} or more`, false);
  const [box] = chosen.boxes as [Phrase['boxes'][number]];
  const [phrase, place] = [cleanText(chosen.text), formatBox(box, rounding)];
  const turn =
    task === 'refer'
      ? { question: drawInstruction('refer', phrase, pick), answer: place }
      : { question: drawInstruction('identify', place, pick), answer: phrase };
  return { turns: [turn], boxes: [box] };
}

/** The caption as it stands, each grounded phrase followed by its boxes. */
function grounded({ record, points, minScore, rounding, pick }: Request): Made {
  const phrases = apartPhrases(phrasesOf(record, { column: 'noun_chunks', points, minScore }));
  if (phrases.length === 0) throw new PhraseError(`no phrase with a score of ${minScore} or more`, false);
  let answer = '';
  let at = 0;
  for (const { start, end, text, boxes } of phrases) {
    answer += points.slice(at, start).join('') + formatPhrase(text, boxes, rounding);
    at = end;
  }
  answer = (answer + points.slice(at).join('')).trim();
  const turns = [{ question: drawInstruction('grounding', '', pick), answer }];
  return { turns, boxes: phrases.flatMap(({ boxes }) => boxes) };
}

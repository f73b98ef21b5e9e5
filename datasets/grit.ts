/**
 * GRIT (Peng et al. 2023, "Kosmos-2"; from COYO-700M and LAION-2B; annotations Ms-PL, each image under its own licence): web captions whose
 * noun phrases a detector has grounded. Tars as img2dataset writes them, with the columns `noun_chunks` and `ref_exps` kept or joined
 * with the published parquet or JSON lines; resized with `keep_ratio` or not at all: padding would move the boxes.
 */

import { z } from 'zod';
import { type BoxRounding, formatBox, formatPhrase } from '../lib/data/boxes.ts';
import { defineRowSource, type RowScan } from '../lib/data/row-source.ts';
import { badSample, type Sample } from '../lib/data/sample.ts';
import type { SourceRoot } from '../lib/data/source.ts';
import { drawInstruction, type Pick, type Task } from '../lib/data/task.ts';
import { ruledText, type TextRule, textRuleOption } from '../lib/data/text-rule.ts';
import { gritAnnotationFiles, gritAnnotations, joinAnnotations } from './grit-annotations.ts';
import {
  apartPhrases,
  captionPoints,
  checkAspect,
  type Phrase,
  PhraseError,
  phrasesOf,
  uniquePhrases,
} from './grit-phrases.ts';
import { type WebRecord, type WebSample, webRows, webShards } from './web-shards.ts';

const NAME = 'grit';

const options = z.object({
  annotations: z
    .string()
    .min(1)
    .optional()
    .meta({ path: true })
    .describe(
      'The published annotations, a .parquet or .jsonl file or a folder of them, for tars that were made without the columns noun_chunks and ref_exps; joined by id, or by url where the tars have none.',
    ),
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
  text: textRuleOption('expressions and plain captions; grounded captions stay as they are', 'reference'),
});

/** Columns that samples are made of. */
const COLUMNS = ['noun_chunks', 'ref_exps', 'width', 'height', 'original_width', 'original_height'] as const;

/** What the index keeps of an image. */
interface GritRow {
  caption: string | undefined;
  columns: WebRecord;
}

interface Reading {
  task: Task;
  minScore: number;
  rounding: BoxRounding;
  text: TextRule;
}

/** One sample for each image; refer and identify draw one of its expressions at each access. */
export const grit = defineRowSource({
  name: NAME,
  summary: 'Web images whose captions have boxes for their noun phrases, in tar shards as img2dataset writes them.',
  kind: 'weak',
  tasks: ['refer', 'identify', 'grounding', 'caption'],
  options,
  indexOptions: ['annotations'],
  async inputs({ root, annotations }) {
    const files = annotations === undefined ? [] : await gritAnnotationFiles(root, annotations);
    return [...(await webShards(root)), ...files];
  },
  rows,
  sample: ({ id, record }, { options: reading, task, pick }) => {
    try {
      return phraseSample(record, { task, ...reading }, pick);
    } catch (error) {
      if (!(error instanceof PhraseError)) throw error;
      const identity = { id, source: NAME };
      throw badSample(identity, error.message, 'a caption whose phrases have boxes, on an image that was not padded');
    }
  },
});

async function* rows({ root, annotations }: SourceRoot & z.output<typeof options>, scan: RowScan) {
  if (annotations === undefined) {
    yield* webRows({ root, needs: ['json'], record: gritRow }, scan);
    return;
  }
  const files = await gritAnnotationFiles(root, annotations);
  const request = {
    rows: webRows(
      { root, needs: ['json'], record: ({ columns }) => ({ columns: only([...COLUMNS, 'id', 'url'], columns) }) },
      scan,
    ),
    annotations: () => gritAnnotations(files),
    joined: (columns: WebRecord, annotation: WebRecord): GritRow => {
      const { caption, noun_chunks, ref_exps } = annotation;
      const text = typeof caption === 'string' ? caption : undefined;
      return gritRow({ caption: text, columns: { ...columns, noun_chunks, ref_exps } });
    },
  };
  yield* joinAnnotations(request, scan);
}

function gritRow({ caption, columns }: WebSample): GritRow {
  return { caption, columns: only(COLUMNS, columns) };
}

function only(names: readonly string[], columns: WebRecord): WebRecord {
  return Object.fromEntries(names.flatMap((name) => (columns[name] === undefined ? [] : [[name, columns[name]]])));
}

function phraseSample({ caption, columns }: GritRow, reading: Reading, pick: Pick): Made {
  if (reading.task === 'caption') {
    const answer = ruledText(caption ?? '', reading.text);
    if (answer === '') throw new PhraseError('no caption');
    return { turns: [{ question: drawInstruction('caption', '', pick), answer }] };
  }
  if (columns['noun_chunks'] === undefined && columns['ref_exps'] === undefined) {
    throw new PhraseError(
      'neither noun_chunks nor ref_exps in the columns; the published files can be named with annotations',
    );
  }
  checkAspect(columns);
  const request = { record: columns, points: captionPoints(caption), pick, ...reading };
  return reading.task === 'grounding' ? grounded(request) : pointed(request);
}

interface Request extends Reading {
  record: WebRecord;
  /** The caption in code points. */
  points: readonly string[];
  pick: Pick;
}

type Made = globalThis.Pick<Sample, 'turns' | 'boxes'>;

/** An expression and its box, one asking for the other. */
function pointed({ record, points, task, minScore, rounding, text, pick }: Request): Made {
  const from = (column: string): Phrase[] =>
    uniquePhrases(phrasesOf(record, { column, points, minScore })).filter(
      (phrase) => ruledText(phrase.text, text) !== '',
    );
  const expressions = from('ref_exps');
  const choices = expressions.length > 0 ? expressions : from('noun_chunks');
  const chosen = choices[pick(Math.max(1, choices.length))];
  if (chosen === undefined) throw new PhraseError(`no phrase of one object with a score of ${minScore} or more`);
  const [box] = chosen.boxes as [Phrase['boxes'][number]];
  const [phrase, place] = [ruledText(chosen.text, text), formatBox(box, rounding)];
  const turn =
    task === 'refer'
      ? { question: drawInstruction('refer', phrase, pick), answer: place }
      : { question: drawInstruction('identify', place, pick), answer: phrase };
  return { turns: [turn], boxes: [box] };
}

/** The caption as it stands, each grounded phrase followed by its boxes. */
function grounded({ record, points, minScore, rounding, pick }: Request): Made {
  const phrases = apartPhrases(phrasesOf(record, { column: 'noun_chunks', points, minScore }));
  if (phrases.length === 0) throw new PhraseError(`no phrase with a score of ${minScore} or more`);
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

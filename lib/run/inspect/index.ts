/** `tristage inspect`: samples of a run as training sees them, without an engine. */

import { TristageError } from '../../core/errors.ts';
import type { Logger } from '../../core/log.ts';
import type { InspectedLine, Inspection } from '../../report/inspect/inspection.ts';
import { inspectionHtml } from '../../report/inspect/page.ts';
import { type Registry, type ResolvedRun, stageOf } from '../config.ts';
import { encodeOptionsOf, leftOutOf, type OpenData } from '../data.ts';
import { modelConfigOf } from '../model-config.ts';
import { checkPageFile, writePageFile } from '../page-file.ts';
import { openRuns } from '../plugins.ts';
import { type Drawing, openDrawing, type Want } from './draw.ts';
import { chosenLines } from './lines.ts';
import { openChosen } from './open.ts';
import { openShowcase } from './shown.ts';
import { openTally } from './tally.ts';

export interface InspectRequest {
  /** Run file. */
  file: string;
  set: readonly string[];
  /** Name of a source, or place of a line from 1; absent: all of them. */
  source?: string | undefined;
  /** Opens no other source. */
  alone?: boolean | undefined;
  /** Samples to show, the first ones that the run draws. */
  samples: number;
  /** Samples to show of every line instead. */
  each?: number | undefined;
  /** Step to begin with, from 0. */
  step: number;
  /** Page to write. */
  html?: string | undefined;
  registry: Registry;
  logger: Logger;
}

export interface Inspected {
  inspection: Inspection;
  /** Of the page, where one was written. */
  bytes?: number;
}

/** More samples make a page that no browser shows in reasonable time. */
const MOST_SAMPLES = 1000;

/**
 * Reads samples of a run and writes the page about them.
 * @throws TristageError E_USAGE, E_INSPECT_STAGE, E_INSPECT_SOURCE, E_INSPECT_STEP, E_OUT_FOREIGN, and those of reading run files and data
 */
export async function inspect(request: InspectRequest): Promise<Inspected> {
  checkRequest(request);
  if (request.html !== undefined) checkPageFile(request.html, '--html');
  const [run] = await openRuns([request.file], { registry: request.registry, set: request.set });
  const inspection = await inspectionOf(run as ResolvedRun, request);
  if (request.html === undefined) return { inspection };
  return { inspection, bytes: await writePageFile(request.html, inspectionHtml(inspection)) };
}

async function inspectionOf(run: ResolvedRun, request: InspectRequest): Promise<Inspection> {
  const { stage } = run.config;
  if (stageOf(run.config, run.registry).objective === 'patches') throw noTexts(stage);
  const wanted = chosenLines(run.config.data.mixture.sources, request.source);
  const { alone = false, each, samples, step: first, logger } = request;
  const { data, lines, notes } = await openChosen(run, { lines: wanted, alone, logger });
  const wants = each === undefined ? [{ lines, samples }] : lines.map((line) => ({ lines: [line], samples: each }));
  const drawing = openDrawing(data, { wants, first });
  try {
    if (drawing.steps.length === 0) throw nothingDrawn(request, run.config.train.steps);
    const read = await readSteps(data, { drawing, wants, lines });
    const { name } = data.config;
    return {
      run: { name, stage, file: run.file },
      ...read,
      notes: [...notes, ...sourceNotes(data), ...neverDrawn(data, { drawing, lines })],
    };
  } finally {
    await drawing.close();
  }
}

/** Reads the steps one after another; of each only what is shown is kept. */
async function readSteps(
  data: OpenData,
  { drawing, wants, lines }: { drawing: Drawing; wants: readonly Want[]; lines: readonly number[] },
): Promise<Omit<Inspection, 'run' | 'notes'>> {
  const { config } = data;
  const model = modelConfigOf(config);
  const encode = encodeOptionsOf({ config, model, data });
  const { weighting } = config.train.loss;
  const { maxTokens, packing, transform } = config.data;
  const room = packing?.maxTokens;
  const showcase = openShowcase({ drawing, wants, encode, weighting, room });
  const tally = openTally({ lines: data.lines.length, room });
  for (const step of drawing.steps) {
    const batch = await drawing.batch(step);
    tally.add(batch);
    await showcase.add(step, batch);
  }
  return {
    settings: {
      imageSize: model.vision.imageSize,
      transform,
      imageTokens: encode.imageTokens,
      maxTokens,
      ...(room !== undefined && { rowTokens: room }),
      vocabulary: encode.tokenizer.vocabSize,
      weighting,
    },
    lines: mixtureOf(data, { counts: drawing.counts, drawn: tally.lines(), lines }),
    steps: drawing.steps,
    batch: tally.batch(),
    rows: showcase.rows,
    pictures: showcase.pictures,
    replaced: drawing.replaced,
    leftOut: leftOutOf(data),
  };
}

/** The lines of the mixture with what the whole run and the steps that were read take of them. */
function mixtureOf(
  { lines: open }: OpenData,
  facts: { counts: readonly number[]; drawn: readonly InspectedLine['drawn'][]; lines: readonly number[] },
): InspectedLine[] {
  const all = facts.counts.reduce((sum, count) => sum + count, 0);
  return open.map(({ source, task }, line) => {
    const count = facts.counts[line] ?? 0;
    return {
      place: line + 1,
      source: source.name,
      task,
      samples: source.length,
      share: count / all,
      epochs: count / source.length,
      shown: facts.lines.includes(line),
      drawn: facts.drawn[line] as InspectedLine['drawn'],
    };
  });
}

/** Wanted lines that the run does not come to. */
function neverDrawn(data: OpenData, { drawing, lines }: { drawing: Drawing; lines: readonly number[] }): string[] {
  const missed = lines.filter((line) => drawing.counts[line] === 0).map((line) => line + 1);
  if (missed.length === 0) return [];
  const steps = data.config.train.steps;
  return [`The run of ${steps} steps draws nothing of line ${missed.join(', ')}.`];
}

/** What sources say of themselves beside what they left out. */
function sourceNotes({ lines }: OpenData): string[] {
  return lines.flatMap(({ source }) => (source.leftOut === undefined ? source.notes : []));
}

function checkRequest({ samples, each = 1, step, alone, source }: InspectRequest): void {
  const whole = (value: number, least: number): boolean => Number.isSafeInteger(value) && value >= least;
  if (!(whole(samples, 1) && samples <= MOST_SAMPLES)) throw usage('--n', String(samples), `1 to ${MOST_SAMPLES}`);
  if (!(whole(each, 1) && each <= MOST_SAMPLES)) throw usage('--each', String(each), `1 to ${MOST_SAMPLES}`);
  if (alone && source === undefined) throw aloneOf();
  if (!whole(step, 0)) throw usage('--step', String(step), 'a step from 0');
}

function aloneOf(): TristageError {
  const fix = 'say with --source which one is to be opened alone';
  return new TristageError({ kind: 'usage', code: 'E_USAGE', message: '--alone needs --source', fix });
}

function usage(where: string, found: string, expected: string): TristageError {
  return new TristageError({ kind: 'usage', code: 'E_USAGE', message: 'no such number', where, found, expected });
}

function noTexts(stage: string): TristageError {
  return new TristageError({
    kind: 'usage',
    code: 'E_INSPECT_STAGE',
    message: 'this stage trains on no texts, so there is nothing to inspect',
    where: 'stage',
    found: stage,
    expected: 'a stage that trains on questions and answers',
  });
}

function nothingDrawn({ source, step }: InspectRequest, steps: number): TristageError {
  const what = source === undefined ? 'nothing is drawn' : `nothing of ${source} is drawn`;
  return new TristageError({
    kind: 'usage',
    code: 'E_INSPECT_STEP',
    message: `${what} from this step on`,
    where: '--step',
    found: String(step),
    expected: `a step before the end of the run, which has ${steps}`,
  });
}

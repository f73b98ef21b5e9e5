/** The record of a user's own data: one JSON object for each sample. docs/how-to/own-data.md explains it by examples. */

import { z } from 'zod';
import {
  type Box,
  type BoxRounding,
  clipBox,
  formatBoxes,
  fromPixels,
  type ImageSize,
  type PixelBox,
} from './boxes.ts';
import type { RowSample } from './row-source.ts';
import { type Pick as Draw, drawInstruction, isIdentified, TASKS, type Task, taskIdentifier } from './task.ts';

/** Characters of a name that a record gives itself. */
export const MAX_ID_LENGTH = 200;

const corners = z.tuple([z.number(), z.number(), z.number(), z.number()]);

/** The shape of a record; `checkRecord` holds the rules between its parts. */
const shape = z.strictObject({
  id: z.string().min(1).max(MAX_ID_LENGTH).optional(),
  image: z.string().min(1).optional(),
  task: z.enum(TASKS as readonly [Task, ...Task[]]).optional(),
  turns: z
    .array(z.strictObject({ question: z.string().optional(), answer: z.string() }))
    .min(1)
    .max(1000),
  boxes: z
    .record(
      z.string().regex(/^[^<>\s]+$/, 'a name of a box has no space, < or >'),
      z.union([corners, z.array(corners).min(1)]),
    )
    .optional(),
  unit: z.enum(['pixels', 'fractions']).optional(),
});

/** A record of the right shape. */
export type OwnRecord = z.output<typeof shape>;

/** Where a text names a box: `<box:NAME>`. */
const BOX_NAME = /<box:([^<>\s]+)>/g;
/** Stands where the image belongs in other programs; here the image is given by its own key. */
const IMAGE_TOKEN = /<image>|<ImageHere>/;
const IDENTIFIER = /^\s*\[(vqa|caption|grounding|refer|identify|detection)\]/;
/** Pixels by which a box may leave the image: annotators and their rounding do so. */
const OVERHANG = 1;
/** Faults of one record that a message spells out. */
const MOST_FAULTS = 4;

/**
 * Checks a record by itself.
 * @param value parsed JSON
 * @param usual task of records that name none
 * @returns the record, or what is wrong with it, each fault with the key it concerns
 */
export function readRecord(value: unknown, usual: Task): { record: OwnRecord } | { faults: string } {
  const parsed = shape.safeParse(value);
  const faults = parsed.success
    ? recordFaults(parsed.data, usual)
    : parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'record'}: ${message}`);
  if (parsed.success && faults.length === 0) return { record: parsed.data };
  return { faults: faults.slice(0, MOST_FAULTS).join('; ') };
}

function recordFaults(record: OwnRecord, usual: Task): string[] {
  const { task = usual, image, boxes = {}, unit } = record;
  const faults: string[] = [];
  if (task === 'text' && image !== undefined) faults.push('image: a text sample has none');
  if (isIdentified(task) && image === undefined) faults.push(`image: ${task} needs one`);
  if (isIdentified(task) && record.turns.length > 1) faults.push(`turns: ${task} has one; conversation may have more`);
  if (Object.keys(boxes).length > 0 && unit === undefined)
    faults.push('unit: pixels or fractions, where there are boxes');
  if (Object.keys(boxes).length > 0 && image === undefined) faults.push('image: boxes need one');
  for (const [name, list] of Object.entries(boxes)) {
    for (const box of listOf(list)) {
      const fault = boxFault(box, unit);
      if (fault !== undefined) faults.push(`boxes.${name}: ${fault}`);
    }
  }
  return [...faults, ...record.turns.flatMap((turn, place) => turnFaults(turn, { place, task, boxes }))];
}

function boxFault(
  [x1, y1, x2, y2]: readonly [number, number, number, number],
  unit: OwnRecord['unit'],
): string | undefined {
  if (!(x1 < x2 && y1 < y2)) return 'x1 < x2 and y1 < y2, corners and not width and height';
  if (unit === 'fractions' && Math.min(x1, y1) < 0) return 'fractions are 0 to 1';
  if (unit === 'fractions' && Math.max(x2, y2) > 1) return 'fractions are 0 to 1; is the unit pixels?';
  if (unit === 'pixels' && Math.max(x2, y2) <= 1) return 'less than one pixel; is the unit fractions?';
  return undefined;
}

function turnFaults(
  { question = '', answer }: { question?: string | undefined; answer: string },
  { place, task, boxes }: { place: number; task: Task; boxes: NonNullable<OwnRecord['boxes']> },
): string[] {
  const at = `turns.${place}`;
  const faults: string[] = [];
  const wordless = task === 'caption' || task === 'grounding';
  if (question.trim() === '' && !wordless) faults.push(`${at}.question: empty`);
  if (answer.trim() === '') faults.push(`${at}.answer: empty`);
  if (isIdentified(task) && IDENTIFIER.test(question)) {
    faults.push(`${at}.question: without ${taskIdentifier(task)}, which is put before it`);
  }
  for (const [key, text] of [
    ['question', question],
    ['answer', answer],
  ] as const) {
    if (IMAGE_TOKEN.test(text)) faults.push(`${at}.${key}: the image is given by image, not in the text`);
    for (const [, name] of text.matchAll(BOX_NAME)) {
      if (!Object.hasOwn(boxes, name as string)) faults.push(`${at}.${key}: no box is named ${name}`);
    }
  }
  return faults;
}

function listOf(boxes: NonNullable<OwnRecord['boxes']>[string]): [number, number, number, number][] {
  return (typeof boxes[0] === 'number' ? [boxes] : boxes) as [number, number, number, number][];
}

/** What is kept of a record: boxes as fractions, by name. */
export interface OwnRow {
  task: Task;
  turns: OwnRecord['turns'];
  boxes: Readonly<Record<string, readonly Box[]>>;
}

/** Whether the size of the image is needed to understand the boxes. */
export function needsSize({ boxes = {}, unit }: OwnRecord): boolean {
  return unit === 'pixels' && Object.keys(boxes).length > 0;
}

/**
 * Turns the boxes into fractions.
 * @param size of the image; needed where the unit is pixels
 * @returns the row, or what is wrong: a box that leaves the image by more than a pixel
 */
export function rowOfRecord(
  record: Omit<OwnRecord, 'image'>,
  { usual, size }: { usual: Task; size: ImageSize | undefined },
): { row: OwnRow } | { faults: string } {
  const boxes: Record<string, Box[]> = {};
  for (const [name, list] of Object.entries(record.boxes ?? {})) {
    for (const corner of listOf(list)) {
      const box = fractionsOf(corner, record.unit === 'pixels' ? size : undefined);
      if (box === undefined) {
        const of = size === undefined ? '' : ` of ${size.width} x ${size.height}`;
        return { faults: `boxes.${name}: [${corner.join(', ')}] leaves the image${of}` };
      }
      boxes[name] = [...(boxes[name] ?? []), box];
    }
  }
  return { row: { task: record.task ?? usual, turns: record.turns, boxes } };
}

function fractionsOf(corner: PixelBox, size: ImageSize | undefined): Box | undefined {
  if (size === undefined) return clipBox(corner);
  const [x1, y1, x2, y2] = corner;
  const inside = Math.min(x1, y1) >= -OVERHANG && x2 <= size.width + OVERHANG && y2 <= size.height + OVERHANG;
  return inside ? clipBox(fromPixels(corner, size)) : undefined;
}

/** Options of the sources over records. */
export const ownWording = {
  wording: z
    .boolean()
    .default(true)
    .describe(
      'Whether one of the wordings of the task is drawn around each question, as for the built-in sources; else the question stands as it is behind the identifier of its task.',
    ),
  rounding: z
    .enum(['truncate', 'round'])
    .default('truncate')
    .describe('How boxes become integers 0..100; truncate as the original does.'),
};

/** How a record becomes a sample. */
export interface OwnReading {
  /** Whether a wording of the task is drawn around the question; else it stands as it is behind the identifier. */
  wording: boolean;
  rounding: BoxRounding;
  pick: Draw;
}

/** What is trained on: names of boxes replaced by their text, the identifier of the task before the question. */
export function sampleOfRecord({ task, turns, boxes }: OwnRow, { wording, rounding, pick }: OwnReading): RowSample {
  const fill = (text: string): string =>
    text.replace(BOX_NAME, (_, name: string) => formatBoxes(boxes[name] ?? [], rounding)).trim();
  return {
    task,
    turns: turns.map(({ question = '', answer }) => ({
      question: asQuestion(fill(question), { task, wording, pick }),
      answer: fill(answer),
    })),
    boxes: Object.values(boxes).flat(),
  };
}

function asQuestion(text: string, { task, wording, pick }: { task: Task; wording: boolean; pick: Draw }): string {
  if (!isIdentified(task)) return text;
  const wordless = task === 'caption' || task === 'grounding';
  if (text === '' || (wording && !wordless)) return drawInstruction(task, text, pick);
  return `${taskIdentifier(task)} ${text}`;
}

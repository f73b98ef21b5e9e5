/** What `predict` is asked: checked before anything is opened. */

import { closest } from '../config/suggest.ts';
import { TristageError } from '../core/errors.ts';
import { boxOnImage, parseTypedBox, type TypedBox } from '../data/box-argument.ts';
import { type Box, formatBox, type ImageSize, mapBox, parseBox } from '../data/boxes.ts';
import { evaluationInstruction, isIdentified, TASKS, type Task } from '../data/task.ts';
import { ENGINES, type EngineName } from '../engine/engine.ts';

/** A question before it meets an image. */
export interface AskedQuestion {
  task: Task;
  /** Empty where the task says everything, or where a box is asked about. */
  text: string;
  /** For `identify`. */
  box?: TypedBox | undefined;
}

/** What stands in the prompt, and the box in it. */
export interface Instruction {
  instruction: string;
  /** Fractions of the image. */
  box?: Box | undefined;
}

/** What is asked, as it was typed. */
export interface CheckedRequest {
  /** Image files, folders and patterns. */
  images: readonly string[];
  /** One of TASKS. */
  task: string;
  /** Empty where the task needs none. */
  question: string;
  /** For `identify`: x1,y1,x2,y2 in pixels or fractions. */
  box?: string | undefined;
  /** Where the picture with the boxes goes; a folder for several images. */
  out?: string | undefined;
  /** Longest answer in tokens. */
  maxTokens: number;
  /** Images that are answered at once. */
  batch: number;
  /** Default: as `openAnswerer` chooses. */
  engine?: string | undefined;
}

/** Tasks that say everything in their identifier. */
const WITHOUT_QUESTION: ReadonlySet<Task> = new Set(['caption', 'grounding']);

/**
 * The question of a request.
 * @throws TristageError E_PREDICT for options that do not go together or are out of range, E_BOX_ARGUMENT for a box that is none
 */
export function checkQuestion(request: CheckedRequest): AskedQuestion {
  checkNumber(request.maxTokens, { name: 'the length of the answer', most: 100_000, unit: 'tokens' });
  checkNumber(request.batch, { name: 'the number of images at once', most: 1024, unit: 'images' });
  const task = taskOf(request.task);
  checkImages(task, request);
  const text = request.question.trim();
  if (task === 'identify') return { task, ...identified(text, request.box) };
  if (request.box !== undefined) {
    throw refuse({ message: `the task ${task} takes no --box`, found: request.box, expected: '--task identify' });
  }
  if (WITHOUT_QUESTION.has(task)) {
    if (text === '') return { task, text };
    throw refuse({
      message: `the task ${task} takes no question`,
      found: text,
      expected: 'nothing after the options',
      fix: 'name another --task, such as vqa; a pattern of images stands in quotes',
    });
  }
  if (text !== '') return { task, text };
  throw refuse({ message: `the task ${task} needs a question`, found: 'none', expected: 'a text after the options' });
}

/** A box is typed with --box, or stands in the question in the form that answers have. */
function identified(text: string, box: string | undefined): Pick<AskedQuestion, 'text' | 'box'> {
  const expected = '--box x1,y1,x2,y2 and no question, or a question that is one box: {<10><20><50><90>}';
  if (box !== undefined) {
    if (text === '') return { text, box: parseTypedBox(box) };
    throw refuse({ message: 'the task identify is about one box', found: `--box ${box} and ${text}`, expected });
  }
  if (parseBox(text) !== undefined) return { text: '', box: parseTypedBox(text) };
  throw refuse({ message: 'the task identify needs a box', found: text || 'none', expected });
}

function checkImages(task: Task, { images, out }: CheckedRequest): void {
  if (images.length === 0 && isIdentified(task)) {
    throw refuse({ message: `the task ${task} is about an image`, found: 'no --image', expected: '--image FILE' });
  }
  if (images.length > 0 && task === 'text') {
    throw refuse({
      message: 'the task text is about no image',
      found: `--image ${images[0]}`,
      expected: 'no image',
      fix: 'use --task conversation',
    });
  }
  if (images.length === 0 && out !== undefined) {
    throw refuse({ message: 'boxes are drawn on an image', found: `--out ${out}`, expected: '--image FILE' });
  }
}

function checkNumber(value: number, { name, most, unit }: { name: string; most: number; unit: string }): void {
  if (Number.isInteger(value) && value >= 1 && value <= most) return;
  throw refuse({ message: `${name} is out of range`, found: String(value), expected: `1 to ${most} ${unit}` });
}

function taskOf(name: string): Task {
  const task = TASKS.find((known) => known === name);
  if (task !== undefined) return task;
  const suggestion = closest(name, TASKS);
  const fix = suggestion === undefined ? {} : { fix: `did you mean --task ${suggestion}?` };
  throw refuse({ message: 'there is no such task', found: name, expected: TASKS.join(', '), ...fix });
}

/** @throws TristageError E_PREDICT for a name that is none */
export function engineOf(name: string | undefined): EngineName | undefined {
  if (name === undefined) return undefined;
  const engine = ENGINES.find((known) => known === name);
  if (engine !== undefined) return engine;
  throw refuse({ message: 'there is no such engine', found: name, expected: ENGINES.join(', ') });
}

/** The error of options that do not go together. */
export function refuse(details: { message: string; found: string; expected: string; fix?: string }): TristageError {
  return new TristageError({ kind: 'usage', code: 'E_PREDICT', ...details });
}

/**
 * The question as it stands in the prompt about one image.
 * @throws TristageError E_BOX_ARGUMENT for a box outside the image
 */
export function instructionFor({ task, text, box }: AskedQuestion, image?: ImageSize & { name: string }): Instruction {
  if (!isIdentified(task)) return { instruction: text };
  if (box === undefined || image === undefined) return { instruction: evaluationInstruction(task, text) };
  const asked = boxOnImage(box, image);
  // The text form cuts digits off, and 0.29 x 100 is a little below 29.
  const steps = mapBox(asked, (side) => side + 1e-9);
  return { instruction: evaluationInstruction(task, formatBox(steps)), box: asked };
}

/** What is right about a scene, worked out anew from boxes and pixels, so that answers can be checked against something else. */

import assert from 'node:assert/strict';
import { KINDS } from '../../../datasets/emoji-scenes/kinds.ts';
import { COLOURS, type Scene } from '../../../datasets/emoji-scenes/scene.ts';
import { type Box, parseBox, parseBoxes, parsePhrases } from '../../../lib/data/boxes.ts';
import { patchTruth } from '../../../lib/data/patch-truth.ts';
import type { Sample, SceneObject, Turn } from '../../../lib/data/sample.ts';
import type { Task } from '../../../lib/data/task.ts';
import { captionObjectF1 } from '../../../lib/eval/metrics/caption-objects.ts';

const NAMES = KINDS.map(({ name }) => name);
const middle = ({ box: [x1, y1, x2, y2] }: SceneObject) => [(x1 + x2) / 2, (y1 + y2) / 2] as const;
const onGrid = (box: Box) => box.map((value) => Math.trunc(value * 100) / 100);
const sorted = (items: readonly unknown[]) => items.map((item) => JSON.stringify(item)).sort();
const named = (objects: readonly SceneObject[], name: string) => objects.filter((one) => one.name === name);

/** The colour whose value is nearest to the mean of what no object covers. */
export function colourSeen(scene: Scene): string {
  const side = scene.image.width / 8;
  const { classes } = patchTruth(scene.objects, { names: NAMES, patches: 8 });
  const sum = [0, 0, 0];
  let count = 0;
  for (let pixel = 0; pixel < scene.image.width ** 2; pixel++) {
    const x = Math.floor((pixel % scene.image.width) / side);
    const y = Math.floor(Math.floor(pixel / scene.image.width) / side);
    const inBox = scene.objects.some(
      ({ box }) => x + 1 > box[0] * 8 && x < box[2] * 8 && y + 1 > box[1] * 8 && y < box[3] * 8,
    );
    if (inBox || classes[y * 8 + x] !== 0) continue;
    count++;
    for (const channel of [0, 1, 2]) sum[channel]! += scene.image.pixels[pixel * 3 + channel]!;
  }
  const distance = (rgb: readonly number[]) =>
    Math.hypot(...rgb.map((value, channel) => value - sum[channel]! / count));
  return [...COLOURS].sort((one, other) => distance(one.rgb) - distance(other.rgb))[0]!.name;
}

/** The objects that a referring expression fits. */
export function referred(objects: readonly SceneObject[], expression: string): SceneObject[] {
  const words = expression.split(' ');
  const group = named(objects, words.at(-1)!);
  if (words.length === 1) return group;
  const order = [...group].sort((one, other) => {
    const axis = words[0] === 'left' || words[0] === 'right' ? 0 : 1;
    return middle(one)[axis] - middle(other)[axis];
  });
  return [words[0] === 'left' || words[0] === 'upper' ? order[0]! : order.at(-1)!];
}

/** The right answer to a short question, from the objects; undefined for a question that cannot be read. */
export function rightAnswer(question: string, objects: readonly SceneObject[], colour: string): string | undefined {
  const match = (pattern: RegExp) => pattern.exec(question)?.slice(1);
  if (/how many objects are there\?$/.test(question)) return String(objects.length);
  const many = match(/how many (\w+) are there\?$/);
  if (many) return String(named(objects, KINDS.find(({ plural }) => plural === many[0])!.name).length);
  if (/what colour is the background\?$/.test(question)) return colour;
  const there = match(/is there an? (\w+)\?$/);
  if (there) return named(objects, there[0]!).length > 0 ? 'yes' : 'no';
  const where = match(/where is the (\w+)\?$/);
  if (where) {
    assert.equal(named(objects, where[0]!).length, 1, 'where asks about the only one');
    const [x, y] = middle(named(objects, where[0]!)[0]!);
    return `${y < 0.5 ? 'top' : 'bottom'} ${x < 0.5 ? 'left' : 'right'}`;
  }
  const relation = match(/what is (to the left of|to the right of|above|below) the (\w+)\?$/);
  if (!relation) return undefined;
  const [anchor, second] = named(objects, relation[1]!);
  assert.ok(anchor && !second, 'relations start from the only one of its kind');
  const [axis, sign] = { 'to the left of': [0, -1], 'to the right of': [0, 1], above: [1, -1], below: [1, 1] }[
    relation[0]!
  ] as [0 | 1, number];
  const there2 = objects.filter((one) => one !== anchor && sign * (middle(one)[axis] - middle(anchor)[axis]) > 0);
  assert.equal(there2.length, 1, 'exactly one object lies on that side');
  return there2[0]!.name;
}

type Check = (sample: Sample, colour: string) => void;

const lastOf = (sample: Sample) => sample.turns.at(-1)!;
const objectsOf = (sample: Sample) => sample.truth!.objects!;

function checkCaption(text: string, sample: Sample, colour: string): void {
  const names = objectsOf(sample).map(({ name }) => name);
  assert.equal(captionObjectF1([{ names, answer: text }], { names: NAMES }).value, 1, text);
  assert.match(text, new RegExp(`${colour} background$`));
}

function checkShort({ question, answer }: Turn, sample: Sample, colour: string): void {
  assert.equal(answer, rightAnswer(question, objectsOf(sample), colour), question);
}

function checkRefer(sample: Sample): void {
  const { question, answer } = lastOf(sample);
  const expression = /((left|right|upper|lower) )?(\w+)( \?| is)?$/.exec(question)![0].replace(/( \?| is)$/, '');
  const fits = referred(objectsOf(sample), expression);
  assert.equal(fits.length, 1, question);
  assert.deepEqual(fits[0]!.box, sample.truth!.target);
  assert.deepEqual(parseBox(answer), onGrid(fits[0]!.box));
}

function checkSame(found: readonly SceneObject[], expected: readonly SceneObject[]): void {
  assert.deepEqual(sorted(found), sorted(expected.map(({ name, box }) => ({ name, box: onGrid(box) }))));
}

const CHECKS: Readonly<Record<Exclude<Task, 'text'>, Check>> = {
  caption: (sample, colour) => checkCaption(lastOf(sample).answer, sample, colour),
  refer: checkRefer,
  identify: (sample) => {
    const { question, answer } = lastOf(sample);
    const asked = parseBoxes(question)[0]!.join();
    assert.ok(objectsOf(sample).some(({ name, box }) => name === answer && onGrid(box).join() === asked));
  },
  detection: (sample) => {
    const [phrase, ...more] = parsePhrases(lastOf(sample).answer);
    const name = phrase!.phrase;
    assert.deepEqual([more.length, lastOf(sample).question], [0, `[detection] ${name}`]);
    checkSame(
      phrase!.boxes.map((box) => ({ name, box })),
      named(objectsOf(sample), name),
    );
  },
  grounding: (sample, colour) => {
    const { answer } = lastOf(sample);
    const found = parsePhrases(answer).flatMap(({ phrase, boxes }) =>
      boxes.map((box) => ({ name: phrase.split(' ').at(-1)!, box })),
    );
    assert.match(answer, new RegExp(`${colour} background$`));
    checkSame(found, objectsOf(sample));
  },
  vqa: (sample, colour) => checkShort(lastOf(sample), sample, colour),
  conversation: (sample, colour) => {
    assert.equal(sample.turns.length, 3);
    checkCaption(sample.turns[0]!.answer, sample, colour);
    checkShort(sample.turns[1]!, sample, colour);
    checkRefer(sample);
  },
};

/** Checks one sample of a scene against its truth. */
export function checkSampleOfScene(sample: Sample, colour: string): void {
  CHECKS[sample.task as Exclude<Task, 'text'>](sample, colour);
}

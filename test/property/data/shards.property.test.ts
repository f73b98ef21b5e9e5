/** Any own data comes back from its shards, whatever its records say and wherever shards end. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import fc from 'fast-check';
import { jsonl } from '../../../datasets/jsonl.ts';
import type { Task } from '../../../lib/data/task.ts';
import { jsonLinesOf, writeContent, writePicture } from '../../data/make/pictures.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { lasting, pack, readBack } from '../../unit/data/shards/packed.ts';
import { samplesOf } from '../../unit/datasets/open-source.ts';

/** Texts that stumble where wordings are taken off, or text is taken for something else. */
const WORDS = [
  'where is',
  'the cat',
  '{}',
  '[refer]',
  '$&',
  '?',
  'Größe',
  '猫🐈',
  '"a"',
  '\\',
  '{<1><2><3><4>}',
  '<p>',
  '\n',
  '10:15',
];

const text = fc
  .array(fc.oneof(fc.constantFrom(...WORDS), fc.string({ unit: 'grapheme', maxLength: 6 })), {
    minLength: 1,
    maxLength: 6,
  })
  .map((words) => words.join(' '))
  .filter((words) => words.trim() !== '' && !/<image>|<ImageHere>|<box:/i.test(words));

/** A question that stands behind an identifier may not begin with one. */
const unidentified = text.filter((words) => !/^\s*\[/.test(words));

const side = fc.double({ min: 0, max: 1, noNaN: true });
const box = fc
  .tuple(side, side, side, side)
  .map(([a, b, c, d]) => [Math.min(a, b), Math.min(c, d), Math.max(a, b), Math.max(c, d)] as const)
  .filter(([left, top, right, bottom]) => left < right && top < bottom);

const IDENTIFIED: readonly Task[] = ['vqa', 'refer', 'identify', 'detection'];

const boxed = fc.record({
  image: fc.constantFrom('a.jpg', 'b.png'),
  task: fc.constantFrom(...IDENTIFIED),
  turns: fc.record({ question: unidentified, answer: text.map((words) => `${words} <box:it>`) }).map((turn) => [turn]),
  boxes: fc.array(box, { minLength: 1, maxLength: 3 }).map((boxes) => ({ it: boxes })),
  unit: fc.constant('fractions'),
});
const caption = fc.record({
  image: fc.constantFrom('a.jpg', 'b.png'),
  task: fc.constantFrom<Task>('caption', 'grounding'),
  turns: fc.record({ question: unidentified, answer: text }, { requiredKeys: ['answer'] }).map((turn) => [turn]),
});
const conversation = fc.record({
  image: fc.constantFrom('a.jpg', 'b.png'),
  turns: fc.array(fc.record({ question: text, answer: text }), { minLength: 1, maxLength: 3 }),
});
const spoken = fc.record({
  task: fc.constantFrom<Task>('text', 'conversation'),
  turns: fc.array(fc.record({ question: text, answer: text }), { minLength: 1, maxLength: 3 }),
});
const records = fc.array(fc.oneof(boxed, caption, conversation, spoken), { minLength: 1, maxLength: 8 });
const limit = fc.oneof(
  fc.record({ samples: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ bytes: fc.integer({ min: 1, max: 12_000 }) }),
);

let root: string;
before(async () => {
  root = temporaryFolder('tristage-shards-');
  await writePicture(join(root, 'a.jpg'), { seed: 1 });
  await writePicture(join(root, 'b.png'), { seed: 2 });
});

test('own data comes back from its shards, in every wording', async () => {
  await fc.assert(
    fc.asyncProperty(records, limit, fc.nat(30), async (lines, bounds, draw) => {
      await writeContent(join(root, 'a.jsonl'), jsonLinesOf(lines));
      const source = await jsonl.open({ root });
      const { folder, manifest } = await pack(source, { limit: bounds });
      assert.equal(manifest.records, lines.length);
      const back = await readBack(folder);
      const pick = (bound: number): number => draw % bound;
      assert.deepEqual((await samplesOf(back, pick)).map(lasting), (await samplesOf(source, pick)).map(lasting));
    }),
    { numRuns: 40, seed: 6 },
  );
});

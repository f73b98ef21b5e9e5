/** Which questions an evaluation asks, and what it says about those that it cannot ask. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { emojiScenes } from '../../../datasets/emoji-scenes/emoji-scenes.ts';
import type { EvalSourceConfig, RunConfig, SourceConfig } from '../../../lib/config/schema.ts';
import { evalDefaults } from '../../../lib/config/schema-eval.ts';
import { TristageError } from '../../../lib/core/errors.ts';
import type { Sample } from '../../../lib/data/sample.ts';
import { defineSource } from '../../../lib/data/source.ts';
import { openEvaluation } from '../../../lib/run/eval-data.ts';

/** Six questions with the answers of the wish; the first cannot be used. */
const notes = defineSource({
  name: 'notes',
  summary: 'For tests.',
  kind: 'task',
  embedded: true,
  tasks: ['text', 'refer'],
  options: z.object({ answer: z.string().default('four') }),
  open: async ({ task, answer }) => ({
    name: 'notes',
    length: 6,
    fingerprint: answer,
    notes: [],
    get: async (index): Promise<Sample> => {
      if (index === 0) throw new TristageError({ kind: 'data', code: 'E_SAMPLE', message: 'broken', where: 'note 0' });
      return { id: String(index), source: 'notes', task, turns: [{ question: 'two and two?', answer }] };
    },
  }),
});
const registry = { sources: [emojiScenes, notes], stages: [] };

function open(lines: readonly EvalSourceConfig[] | undefined, options: { samples?: number; split?: string } = {}) {
  const drawing = { window: 16, badShare: 0.01 };
  const mixture: SourceConfig[] = [
    { source: 'emoji-scenes', root: '.', task: 'caption', rate: 2, ...drawing, imageSize: 28 },
    { source: 'notes', root: '.', task: 'text', rate: 1, ...drawing },
  ];
  const config = {
    model: { vocabulary: 'whole' },
    data: { mixture: { sources: mixture }, transform: 'pillow-bicubic' },
    ...(lines && { eval: evalDefaults(lines) }),
  } as unknown as RunConfig;
  return openEvaluation({ config, registry, ...options });
}

const scenes = { source: 'emoji-scenes', root: '.', task: 'caption', split: 'heldout', imageSize: 28, samples: 3 };

test('each line gives its number of questions; what is missing or cannot be used is told', async () => {
  const { samples, notes: told } = await open([scenes, { source: 'notes', root: '.', task: 'text', samples: 20 }]);
  assert.deepEqual(samples.map(({ task }) => task).sort(), ['caption', 'caption', 'caption', ...Array(5).fill('text')]);
  assert.deepEqual(told, [
    '1 samples of source notes cannot be asked; the first: note 0: broken',
    'source notes has 5 of 20 questions of text',
  ]);
});

test('one number of questions can stand for all lines', async () => {
  const { samples, settings } = await open([scenes, { ...scenes, task: 'vqa' }], { samples: 2 });
  assert.equal(samples.length, 4);
  assert.deepEqual(
    settings.sources.map(({ samples: wanted }) => wanted),
    [2, 2],
  );
  assert.equal(samples[0]?.image, samples[2]?.image, 'lines of one source and seed ask about the same scenes');
});

test('without lines a split of the training sources is asked about; sources without splits are left out', async () => {
  const { samples, notes: told } = await open(undefined, { split: 'heldout', samples: 2 });
  assert.deepEqual(
    samples.map(({ id }) => id.split('/')[0]),
    ['heldout', 'heldout'],
  );
  assert.deepEqual(told, ['source notes has no splits and is left out']);
  await assert.rejects(open(undefined), { code: 'E_EVAL_SOURCES', kind: 'config' });
  const unsplit = [{ source: 'notes', root: '.', task: 'text', samples: 1 }];
  await assert.rejects(open(unsplit, { split: 'heldout' }), { code: 'E_EVAL_SOURCES', found: /split heldout/ });
  await assert.rejects(open([scenes], { split: 'tomorrow' }), { code: 'E_SOURCE_OPTIONS' });
});

test('equal questions have equal fingerprints, others do not', async () => {
  const { fingerprint } = await open([scenes]);
  assert.equal((await open([{ ...scenes }])).fingerprint, fingerprint);
  assert.notEqual((await open([scenes], { samples: 2 })).fingerprint, fingerprint);
  assert.notEqual((await open([{ ...scenes, seed: 9 }])).fingerprint, fingerprint);
});

test('a question that cannot be scored is an error before any model is asked', async () => {
  const boxless = [{ source: 'notes', root: '.', task: 'refer', samples: 2 }];
  await assert.rejects(open(boxless), { code: 'E_TRUTH', kind: 'data' });
  assert.equal((await open([{ ...boxless[0]!, answer: '{<1><2><30><40>}' }])).samples.length, 2);
});

/** A tiny run that speaks through a byte-level tokenizer: what its checkpoint says, and what refuses another tokenizer. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { registry } from '../../bin/registry.ts';
import { openTokenizerFile } from '../../lib/data/tokenizer-file.ts';
import { openRun } from '../../lib/run/open-run.ts';
import { trainRun } from '../../lib/run/train.ts';
import { knownTokenizer, tokenizerOf } from '../../lib/run/vocabulary.ts';
import { keptLines, newFolder, tinyRun } from './tiny-scenes.ts';

const FIXTURES = join(import.meta.dirname, '../parity/fixtures/fast-tokenizers');
const OTHER = join(FIXTURES, 'byte-level');
const SET = [`model.tokenizer=${OTHER}`, 'model.llm.vocabulary=560', 'data.maxTokens=600'];
const folder = join(newFolder(), 'run');
const { logger } = keptLines();
const train = (resume: boolean, ...set: string[]) =>
  trainRun({ run: tinyRun(...SET, ...set), folder, resume, registry, logger });

test('a checkpoint names its tokenizer, which is the one that the run is asked with', async () => {
  await train(false, 'train.steps=2');
  const { config, checkpoint } = await openRun(folder, { registry });
  const { sha256, tokenizer } = await openTokenizerFile(OTHER);
  assert.equal(knownTokenizer(checkpoint).sha256, sha256);
  const found = await tokenizerOf(checkpoint, config);
  assert.deepEqual(found.encode('[refer] the dog'), tokenizer.encode('[refer] the dog'));
});

test('a run goes on with equal tokenizer files only', async () => {
  const other = `model.tokenizer=${join(FIXTURES, 'llama-like')}`;
  await assert.rejects(train(true, 'train.steps=4', other), { code: 'E_TOKENIZER' });
  assert.equal((await train(true, 'train.steps=4')).step, 4);
});

test('a run asked without its tokenizer says which one is missing', async () => {
  const { config, checkpoint } = await openRun(folder, { registry });
  const { tokenizer: _, ...model } = config.model;
  await assert.rejects(tokenizerOf(checkpoint, { model }), { code: 'E_TOKENIZER', found: 'LLaMA’s own tokenizer' });
});

test('only LLaMA’s own tokenizer is pruned', async () => {
  const run = tinyRun(...SET, 'model.vocabulary=pruned');
  const fresh = join(newFolder(), 'run');
  await assert.rejects(trainRun({ run, folder: fresh, resume: false, registry, logger }), { code: 'E_VOCABULARY' });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defineStage, stageBreaches } from '../../../lib/train/stage.ts';
import { STAGES } from '../../../stages/index.ts';

test('none of the three stages trains the vision tower, and each trains the projector and the adapters by default', () => {
  const three = STAGES.filter(({ name }) => /^stage[123]-/.test(name));
  assert.deepEqual(
    three.map(({ name }) => name),
    ['stage1-pretrain', 'stage2-multitask', 'stage3-instruct'],
  );
  for (const stage of three) {
    assert.ok(!stage.mayTrain.includes('vision'), stage.name);
    assert.deepEqual(stage.trains, ['projector', 'lora']);
  }
});

test('stage 2 refuses weak sources at the line of the source', () => {
  const stage = STAGES.find(({ name }) => name === 'stage2-multitask')!;
  const breaches = stageBreaches(stage, {
    trainable: ['projector'],
    sources: [
      { name: 'refcoco', kind: 'task' },
      { name: 'laion', kind: 'weak' },
    ],
  });
  assert.deepEqual(
    breaches.map(({ path, found }) => [path.join('.'), found]),
    [['data.mixture.sources.1.source', 'laion, weak']],
  );
});

test('a group that a stage does not train is refused', () => {
  const stage = STAGES.find(({ name }) => name === 'stage3-instruct')!;
  const [breach] = stageBreaches(stage, { trainable: ['llm', 'lora'], sources: [] });
  assert.equal(breach?.found, 'llm');
});

test('a stage that contradicts itself cannot be declared', () => {
  assert.throws(
    () => defineStage({ name: 'x', summary: '', mayTrain: ['lora'], trains: ['llm'], accepts: ['task'] }),
    RangeError,
  );
});

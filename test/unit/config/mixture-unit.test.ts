/** A mixture that is drawn batch by batch: where its sizes stand, and what may not stand beside them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faults, resolveText, valid } from './vocabulary.ts';

const LINES = `    unit: batch
    sources:
      - { source: captions, root: photos, rate: 3, batch: 6 }
      - { source: questions, root: q, task: vqa, rate: 1, batch: 2 }
`;
const drawnInBatches = valid.replace(/ {4}sources:\n.*\n/, LINES).replace('  globalBatch: 4\n', '');

test('each line has its own batch, and the mean step is their mean', () => {
  const { config } = resolveText({ text: drawnInBatches });
  assert.deepEqual(
    config.data.mixture.sources.map(({ batch }) => batch),
    [6, 2],
  );
  assert.equal(config.train.globalBatch, 5);
  // A resolved configuration says the mean and can be read again.
  const again = drawnInBatches.replace('steps: 10', 'steps: 10\n  globalBatch: 5');
  assert.equal(resolveText({ text: again }).config.train.globalBatch, 5);
  assert.equal(resolveText({ text: valid }).config.data.mixture.unit, 'sample');
});

test('a global batch beside batches, a line without one, and a batch where samples are drawn are refused', () => {
  const both = faults({ text: drawnInBatches.replace('steps: 10', 'steps: 10\n  globalBatch: 64') });
  assert.deepEqual(
    both.map(({ error }) => error.expected),
    ['no train.globalBatch'],
  );
  const without = faults({ text: drawnInBatches.replace(', batch: 2', '') });
  assert.match(without[0]?.error.message ?? '', /a step of questions needs to know its size/);
  const alone = faults({ text: valid.replace('root: photos', 'root: photos, batch: 3') });
  assert.match(alone[0]?.error.message ?? '', /only with data\.mixture\.unit: batch/);
  assert.equal(faults({ text: valid.replace('  globalBatch: 4\n', '') })[0]?.code, 'E_CONFIG_MISSING');
});

test('a packed row that is shorter than an example, and a pruned vocabulary for published weights are refused', () => {
  const short = faults({ text: valid, set: ['data.packing.maxTokens=100'] });
  assert.match(short[0]?.error.message ?? '', /shorter than the longest example/);
  assert.deepEqual(faults({ text: valid, set: ['data.packing.maxTokens=512'] }), []);
  const pruned = faults({ text: valid, set: ['model.vocabulary=pruned', 'model.weights.llm=llama'] });
  assert.match(pruned[0]?.error.message ?? '', /a row for every piece/);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faults, valid } from './vocabulary.ts';

test('all faults are reported at once, each at its line and column', () => {
  const text = valid
    .replace('version: 1', 'version: 2')
    .replace('stage-a', 'stage-aa')
    .replace('steps: 10', 'steps: ten')
    .replace('globalBatch: 4', 'global_batch: 4')
    .replace('1.0e-3', '-1');
  const list = faults({ text });
  assert.deepEqual(
    list.map(({ code, at }) => [code, at]),
    [
      ['E_CONFIG_VALUE', '1:10'],
      ['E_CONFIG_VALUE', '3:8'],
      ['E_CONFIG_MISSING', '11:3'],
      ['E_CONFIG_TYPE', '11:10'],
      ['E_CONFIG_UNKNOWN_KEY', '12:3'],
      ['E_CONFIG_RANGE', '13:20'],
    ],
  );
  assert.ok(list.every(({ error }) => error.exitStatus === 3));
});

test('an unknown key names the key that was meant and the keys that exist', () => {
  const [fault] = faults({ text: valid.replace('steps: 10', 'steps: 10\n  checkpont: {}') });
  assert.equal(fault?.code, 'E_CONFIG_UNKNOWN_KEY');
  assert.equal(fault?.error.fix, 'did you mean checkpoint?');
  assert.match(fault?.error.expected ?? '', /steps, globalBatch/);
});

test('an unknown option of a source is found among the options of that source', () => {
  const [fault] = faults({ text: valid.replace('source: captions', 'source: questions, task: vqa, limt: 4') });
  assert.equal(fault?.error.fix, 'did you mean limit?');
});

test('an unknown source lists the sources', () => {
  const [fault] = faults({ text: valid.replace('source: captions', 'source: caption') });
  assert.equal(fault?.code, 'E_CONFIG_VALUE');
  assert.equal(fault?.at, '9:19');
  assert.match(fault?.error.expected ?? '', /captions, questions/);
  assert.equal(fault?.error.fix, 'did you mean captions?');
});

test('a fault in a --set argument names the argument', () => {
  assert.deepEqual(
    faults({ text: valid, set: ['train.stepz=3', 'train.steps=x'] }).map(({ code, at }) => [code, at]),
    [
      ['E_CONFIG_UNKNOWN_KEY', '--set train.stepz=3'],
      ['E_CONFIG_TYPE', '--set train.steps=x'],
    ].sort((a, b) => (a[1]! < b[1]! ? -1 : 1)),
  );
});

test('a --set argument without = , into a scalar, past a list or through __proto__ is refused', () => {
  for (const argument of [
    'train.steps',
    '=3',
    'name.x=3',
    'data.mixture.sources.7.root=x',
    'data.mixture.sources.a=x',
    '__proto__.x=1',
  ]) {
    assert.deepEqual(
      faults({ text: valid, set: [argument] }).map((f) => [f.code, f.at]),
      [['E_CONFIG_SET', `--set ${argument}`]],
    );
  }
});

test('values that do not fit each other are faults at the value that a user would change', () => {
  const set = ['model.vision.imageSize=30', 'train.microBatch=3', 'train.schedule.minLr=0.5', 'train.trainable=[lora]'];
  const list = faults({ text: valid, set });
  assert.ok(list.every(({ code }) => code === 'E_CONFIG_RULE'));
  const paths = list.map(({ error }) => error.message);
  for (const word of ['model.vision.imageSize', 'train.globalBatch', 'learning rate', 'lora']) {
    assert.ok(
      paths.some((message) => message.includes(word)),
      word,
    );
  }
});

test('numbers beyond all bounds are refused, once each', () => {
  for (const number of ['1e999', '99999999999999999999999', '-.inf', '.nan', '1e20', '0']) {
    const list = faults({ text: valid.replace('steps: 10', `steps: ${number}`) });
    assert.equal(list.length, 1, number);
    assert.equal(list[0]?.at, '11:10', number);
  }
});

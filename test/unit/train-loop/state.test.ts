import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkResume, parseState, trainState } from '../../../lib/train/state.ts';

const state = trainState({ step: 7, globalBatch: 8, seed: 42, identity: 'abc', data: 'def' });

test('a state survives JSON and says how many samples were drawn', () => {
  assert.deepEqual(parseState(JSON.parse(JSON.stringify(state)), 'state.json'), state);
  assert.equal(state.samples, 56);
});

test('a state that lacks a field or has one of the wrong type is refused by name', () => {
  for (const field of ['format', 'step', 'samples', 'seed', 'identity', 'data']) {
    for (const wrong of [undefined, null, -1, {}]) {
      assert.throws(() => parseState({ ...state, [field]: wrong }, 'state.json'), {
        code: 'E_STATE',
        where: `state.json: ${field}`,
        exitStatus: 8,
      });
    }
  }
  assert.throws(() => parseState({ ...state, step: 1.5 }, 'x'), { code: 'E_STATE' });
  assert.throws(() => parseState(null, 'x'), { code: 'E_STATE' });
});

test('a run goes on only with its own settings and data, and not backwards', () => {
  const check = { state, identity: 'abc', data: 'def', steps: 10, where: 'x' };
  assert.doesNotThrow(() => checkResume(check));
  assert.throws(() => checkResume({ ...check, identity: 'other' }), { code: 'E_RESUME_CONFIG' });
  assert.throws(() => checkResume({ ...check, data: 'other' }), { code: 'E_RESUME_DATA' });
  assert.throws(() => checkResume({ ...check, steps: 6 }), { code: 'E_RESUME_STEPS' });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MASKED } from '../../../lib/engine/ops/index.ts';
import { attentionBias, cachedBias, isRightPadded } from '../../../lib/model/llama/mask.ts';
import { consecutivePositions, maskedPositions, ropeTables } from '../../../lib/model/llama/rope.ts';
import { supervisedPlaces } from '../../../lib/model/supervised.ts';
import { openTestEngine } from '../../support/engine.ts';
import { relativeError } from '../../support/tensors.ts';

await openTestEngine();

test('rotary angles are position times base to the power of -2j / width', () => {
  const { cos, sin } = ropeTables({ positions: Int32Array.of(0, 3, 40, 7), rows: 2, headWidth: 4, base: 100 });
  assert.deepEqual(cos.shape, [2, 2, 2]);
  const angles = [0, 0, 3, 0.3, 40, 4, 7, 0.7];
  const cosError = relativeError(cos.dataSync(), angles.map(Math.cos));
  assert.ok(cosError < 1e-5, `${cosError}`);
  const sinError = relativeError(sin.dataSync(), angles.map(Math.sin));
  assert.ok(sinError < 1e-5, `${sinError}`);
  cos.dispose();
  sin.dispose();
});

test('positions follow the mask, row by row', () => {
  assert.deepEqual([...maskedPositions(Uint8Array.of(0, 0, 1, 1, 1, 1, 1, 0), 4)], [1, 1, 0, 1, 0, 1, 2, 1]);
  assert.deepEqual([...consecutivePositions(3, 2)], [2, 3, 4]);
});

test('padding behind the text needs no mask beside causality, padding before it and holes do', () => {
  assert.ok(isRightPadded(Uint8Array.of(1, 1, 0, 1, 1, 1), 3));
  assert.ok(!isRightPadded(Uint8Array.of(0, 1, 1), 3));
  assert.ok(!isRightPadded(Uint8Array.of(1, 0, 1), 3));
  assert.equal(attentionBias({ mask: Uint8Array.of(1, 1, 0, 1, 1, 1), shape: [2, 3] }), undefined);
  const bias = attentionBias({ mask: Uint8Array.of(0, 1, 1), shape: [1, 3] });
  const M = Math.fround(MASKED);
  assert.deepEqual([...(bias?.dataSync() ?? [])], [M, 0, 0, M, 0, 0, M, 0, 0]);
  bias?.dispose();
});

test('packed rows see the prefix of their group and their own branch', () => {
  const blocks = { groups: Int32Array.of(0, 0, 0, 1), branches: Int32Array.of(0, 1, 2, 0) };
  const bias = attentionBias({ mask: Uint8Array.of(1, 1, 1, 1), shape: [1, 4], blocks });
  const visible = Array.from(bias?.dataSync() ?? [], (value) => (value === 0 ? 1 : 0));
  assert.deepEqual(visible, [1, 0, 0, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 1]);
  bias?.dispose();
});

test('the spans of a mask are the pairs that its rule names, holes and padding included', () => {
  const groups = Int32Array.of(0, 0, 0, 0, 0, 0, 1, 1, 1, -1, 0, 0, 1, 1, 1, 2, 2, -1, -1, -1);
  const branches = Int32Array.of(0, 0, 1, 1, 2, 2, 1, 1, 2, 0, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0);
  const mask = Uint8Array.of(1, 1, 1, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0);
  const bias = attentionBias({ mask, shape: [2, 10], blocks: { groups, branches } });
  const found = bias?.dataSync() ?? [];
  bias?.dispose();
  for (let row = 0; row < 2; row++) {
    for (let query = 0; query < 10; query++) {
      for (let key = 0; key <= query; key++) {
        const [q, k] = [row * 10 + query, row * 10 + key];
        const sees = groups[q] === groups[k] && (branches[k] === 0 || branches[k] === branches[q]) && mask[k] !== 0;
        assert.equal(found[q * 10 + key] === 0, sees, `row ${row}: ${query} sees ${key}`);
      }
    }
  }
});

test('one new token needs a mask only where an earlier place is padding', () => {
  assert.equal(cachedBias(Uint8Array.of(1, 1), [1, 2]), undefined);
  const bias = cachedBias(Uint8Array.of(0, 1, 1, 1), [2, 2]);
  assert.deepEqual(bias?.shape, [2, 1, 1, 2]);
  bias?.dispose();
});

test('a label is predicted from the place before it, and the first of a row never', () => {
  const labels = Int32Array.of(5, -100, 6, 7, 8, -100);
  const { rows, labels: targets } = supervisedPlaces({ labels, shape: [2, 3], vocabulary: 9 });
  assert.deepEqual([...rows], [1, 3]);
  assert.deepEqual([...targets], [6, 8]);
  assert.throws(() => supervisedPlaces({ labels, shape: [2, 3], vocabulary: 8 }), {
    code: 'E_LABELS',
    where: 'row 1, position 1',
  });
});

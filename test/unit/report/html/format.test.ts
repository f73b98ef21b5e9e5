import assert from 'node:assert/strict';
import { test } from 'node:test';
import { count, duration, fixed, percent, short, tickText } from '../../../../lib/report/html/format.ts';

test('numbers have as many digits as they are worth', () => {
  assert.deepEqual([0, 0.4854, 12.34, 1240.4, 2e-5, -0.5, Number.NaN].map(short), [
    '0',
    '0.485',
    '12.3',
    '1,240',
    '2.00e-5',
    '-0.5',
    '-',
  ]);
  assert.deepEqual([0, 0.5, 0.002, 0.0015, 1200, 0.05].map(tickText), ['0', '0.5', '2e-3', '1.5e-3', '1,200', '0.05']);
  assert.deepEqual([0.12345, undefined, null, Number.NaN].map(fixed), ['0.123', '-', '-', '-']);
  assert.equal(count(1234567), '1,234,567');
  assert.equal(percent(0.1234), '12.3 %');
});

test('a duration has its two greatest units', () => {
  assert.deepEqual([0.42, 9.96, 28.6, 59.7, 60, 235, 3600, 7_384, 200_000].map(duration), [
    '0.4 s',
    '10 s',
    '29 s',
    '1 min 0 s',
    '1 min 0 s',
    '3 min 55 s',
    '1 h 0 min',
    '2 h 3 min',
    '2 d 7 h',
  ]);
});

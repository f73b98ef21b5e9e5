import assert from 'node:assert/strict';
import { test } from 'node:test';
import { prepareProgress } from '../../../lib/run/prepare-progress.ts';

test('a line every five seconds tells rows, speed, share and how long it will take, resumed rows not counted', () => {
  let time = 0;
  const lines: string[] = [];
  const tell = prepareProgress({ name: 's', info: (line) => lines.push(line), now: () => time });
  tell({ seen: 1000, rejected: 0, share: 0.2 });
  for (time = 1000; time <= 10_000; time += 1000) {
    tell({ seen: 1000 + time / 10, rejected: 3, share: 0.2 + time / 100_000 });
  }
  assert.deepEqual(lines, [
    'source s: 1500 rows, 3 left out, 100 rows/s, 25 %, eta 1:15',
    'source s: 2000 rows, 3 left out, 100 rows/s, 30 %, eta 1:10',
  ]);
});

test('where the share of the files is not known, no end is guessed; a terminal gets a changing line', () => {
  let time = 0;
  const shown: (string | undefined)[] = [];
  const display = {
    columns: () => 80,
    status: (text?: string) => shown.push(text),
    paint: (_: unknown, text: string) => text,
  };
  const info = () => assert.fail('a terminal gets no lines');
  const tell = prepareProgress({ name: 's', info, display, now: () => time });
  for (time = 0; time <= 400; time += 100) tell({ seen: time, rejected: 0, share: 1 });
  assert.deepEqual(shown, [
    'source s: 200 rows, 0 left out, 1000 rows/s',
    'source s: 400 rows, 0 left out, 1000 rows/s',
  ]);
});

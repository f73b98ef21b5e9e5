import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TristageError } from '../../../lib/core/errors.ts';
import { createStream } from '../../../lib/data/stream.ts';
import { wantedSteps } from '../../../lib/run/inspect/draw.ts';
import { chosenLines } from '../../../lib/run/inspect/lines.ts';

const lines = ['refcoco', 'gqa', 'refcoco', 'emoji-scenes'].map((source) => ({ source }));

test('a source is named by its name, which may stand in several lines, or by the place of a line', () => {
  assert.deepEqual(chosenLines(lines, undefined), [0, 1, 2, 3]);
  assert.deepEqual(chosenLines(lines, 'refcoco'), [0, 2]);
  assert.deepEqual(chosenLines(lines, '2'), [1]);
  assert.deepEqual(chosenLines([{ source: '2' }, { source: 'b' }], '2'), [0]);
});

test('a wrong name is refused with the one that was meant', () => {
  const fixes = {
    refcok: 'refcoco',
    emoji: 'emoji-scenes',
    zzzz: undefined,
    '0': undefined,
    '5': undefined,
    '': undefined,
  };
  for (const [word, meant] of Object.entries(fixes)) {
    assert.throws(
      () => chosenLines(lines, word),
      (error: unknown) => {
        assert.ok(error instanceof TristageError && error.code === 'E_INSPECT_SOURCE');
        assert.equal(error.fix, meant && `did you mean ${meant}?`, word);
        assert.equal(error.expected, 'refcoco, gqa, emoji-scenes, or a place from 1 to 4');
        return true;
      },
    );
  }
});

test('the steps that are read are those that a walk over all steps finds', () => {
  const rates = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 2, maxLength: 4 });
  const asked = fc.record({ first: fc.nat(60), which: fc.nat(3), samples: fc.integer({ min: 1, max: 9 }) });
  fc.assert(
    fc.property(rates, asked, fc.boolean(), (given, { first, which, samples }, whole) => {
      const all = given.map((rate, place) => ({ length: 50, fingerprint: String(place), rate, batch: 3 }));
      const stream = whole
        ? createStream({ lines: all, seed: 1, unit: 'batch' })
        : createStream({ lines: all, seed: 1, globalBatch: 4 });
      const end = 80;
      const walk = (lines: readonly number[], wanted: number): number[] => {
        const steps: number[] = [];
        let left = wanted;
        for (let step = first; step < end && left > 0; step++) {
          const found = stream.step(step).filter(({ line }) => lines.includes(line)).length;
          left -= found;
          if (found > 0) steps.push(step);
        }
        return steps;
      };
      const line = which % given.length;
      const one = { lines: [line], samples };
      assert.deepEqual(wantedSteps(stream, { wants: [one], first, end }), walk([line], samples));
      const two = [one, { lines: [...given.keys()].filter((other) => other !== line), samples: 2 }];
      const both = new Set(two.flatMap((want) => walk(want.lines, want.samples)));
      assert.deepEqual(
        wantedSteps(stream, { wants: two, first, end }),
        [...both].sort((a, b) => a - b),
      );
    }),
    { numRuns: 60 },
  );
});

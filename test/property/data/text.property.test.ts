import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Box, formatBox, formatBoxes, iou, parseBox, parseBoxes } from '../../../lib/data/boxes.ts';
import { cleanText } from '../../../lib/data/text-clean.ts';
import { llama2Tokenizer } from '../../../lib/data/tokenizer.ts';

const tokenizer = await llama2Tokenizer();
const fraction = fc.double({ min: 0, max: 1, noNaN: true });
const box: fc.Arbitrary<Box> = fc
  .tuple(fraction, fraction, fraction, fraction)
  .map(([a, b, c, d]) => [Math.min(a, b), Math.min(c, d), Math.max(a, b), Math.max(c, d)]);
const step = fc.integer({ min: 0, max: 100 });
/** Any text that has a UTF-8 form, with pieces that tokenizers stumble over. */
const anyText = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'binary', maxLength: 8 }),
      fc.constantFrom(' ', '   ', '\u2581', '</s>', '<0x0A>', '[INST]', '$$'),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));

test('a box goes into text and back within one step; rounding stays within half a step', () => {
  fc.assert(
    fc.property(box, (original) => {
      const cut = parseBox(formatBox(original)) as Box;
      const rounded = parseBox(formatBox(original, 'round')) as Box;
      for (const [place, value] of original.entries()) {
        assert.ok(value - (cut[place] as number) >= -1e-12 && value - (cut[place] as number) < 0.01 + 1e-12);
        assert.ok(Math.abs(value - (rounded[place] as number)) <= 0.005 + 1e-12);
      }
    }),
  );
});

test('a box that was text once keeps its text', () => {
  fc.assert(
    fc.property(fc.tuple(step, step, step, step), (steps) => {
      const text = `{<${steps.join('><')}>}`;
      assert.equal(formatBox(parseBox(text) as Box, 'round'), text);
    }),
  );
});

test('a list of boxes keeps its length and order', () => {
  fc.assert(
    fc.property(fc.array(box, { minLength: 1, maxLength: 6 }), (boxes) => {
      const text = formatBoxes(boxes);
      assert.deepEqual(parseBoxes(text), text.split('<delim>').map(parseBox));
      assert.equal(parseBoxes(text).length, boxes.length);
    }),
  );
});

test('overlap lies in 0..1, is symmetric, and is 1 with itself where there is an area', () => {
  fc.assert(
    fc.property(box, box, (a, b) => {
      const value = iou(a, b);
      assert.ok(value >= 0 && value <= 1 + 1e-12);
      assert.equal(value, iou(b, a));
      const wide = (a[2] - a[0]) * (a[3] - a[1]) > 1e-12;
      if (wide) assert.ok(Math.abs(iou(a, a) - 1) < 1e-9);
    }),
  );
});

test('decoding what was encoded gives the text again', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const ids = tokenizer.encode(text, { parseSpecials: false });
      assert.ok(ids.every((id) => id > 2 && id < tokenizer.vocabSize));
      const expected = text.replace(/\p{Surrogate}/gu, '\ufffd').replaceAll('\u2581', ' ');
      assert.equal(tokenizer.decode(ids), expected);
    }),
    { numRuns: 500 },
  );
});

test('special tokens split a text into parts that are encoded alone', () => {
  fc.assert(
    fc.property(anyText, anyText, (left, right) => {
      const ids = tokenizer.encode(`${left}</s>${right}`);
      assert.deepEqual(ids, [...tokenizer.encode(left), tokenizer.eosId, ...tokenizer.encode(right)]);
    }),
  );
});

test('cleaning leaves nothing to clean, and at most the words allowed', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), fc.integer({ min: 1, max: 5 }), (text, maxWords) => {
      const clean = cleanText(text, { maxWords });
      assert.ok(!/[.!"()*#:;~]/.test(clean));
      assert.ok(clean.split(' ').length <= maxWords);
    }),
  );
});

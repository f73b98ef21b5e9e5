import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TristageError } from '../../../lib/core/errors.ts';
import { encodeSample } from '../../../lib/data/encode.ts';
import { packExamples } from '../../../lib/data/pack.ts';
import { type Example, IGNORE, IMAGE_SLOT, type ImageRef, type Sample } from '../../../lib/data/sample.ts';
import { llama2Tokenizer } from '../../../lib/data/tokenizer.ts';

const tokenizer = await llama2Tokenizer();
const words = fc.array(fc.constantFrom('red', 'two', 'car', 'é', 'on the left', '{<1><2><3><4>}'), {
  minLength: 1,
  maxLength: 12,
});
const sample = fc
  .record({ image: fc.boolean(), turns: fc.array(fc.tuple(words, words), { minLength: 1, maxLength: 4 }) })
  .map(
    ({ image, turns }): Sample => ({
      ...{ id: 'x', source: 'made', task: 'vqa' },
      ...(image ? { image: { path: 'a.png' } } : {}),
      turns: turns.map(([question, answer]) => ({ question: question.join(' '), answer: answer.join(' ') })),
    }),
  );

test('a sample that is too long is cut by rule or refused: whole images, and an end behind every answer', () => {
  const IMAGE_TOKENS = 5;
  let [cut, refused] = [0, 0];
  fc.assert(
    fc.property(sample, fc.integer({ min: 8, max: 120 }), (one, maxTokens) => {
      const options = { tokenizer, imageTokens: IMAGE_TOKENS };
      const whole = encodeSample(one, options);
      let example: Example;
      try {
        example = encodeSample(one, { ...options, maxTokens });
      } catch (error) {
        assert.ok(error instanceof TristageError && error.code === 'E_SAMPLE');
        // Refused only where the first prompt leaves no room for a token and the end.
        assert.ok(whole.contextLength + 1 + 2 > maxTokens);
        refused += 1;
        return;
      }
      const { tokenIds, labels } = example;
      assert.ok(tokenIds.length <= maxTokens);
      if (tokenIds.length < whole.tokenIds.length) cut += 1;
      else assert.deepEqual(example, whole);
      assert.equal(tokenIds.filter((id) => id === IMAGE_SLOT).length, one.image === undefined ? 0 : IMAGE_TOKENS);
      // Every run of supervised tokens, the last one too, ends with the end token, and only there.
      for (const [place, label] of labels.entries()) {
        if (label === IGNORE) continue;
        const last = (labels[place + 1] ?? IGNORE) === IGNORE;
        assert.equal(label === tokenizer.eosId, last);
      }
      assert.notEqual(labels.at(-1), IGNORE);
    }),
    { numRuns: 300, seed: 12 },
  );
  assert.ok(cut > 20 && refused > 20, `${cut} cut, ${refused} refused`);
});

/** Examples of one image each: BOS, slots, a question and a supervised answer. */
function exampleOf(image: ImageRef, tokens: number, number: number): Example {
  const tokenIds = Int32Array.from({ length: 7 + tokens }, (_, place) =>
    place === 0 ? 1 : place <= 4 ? IMAGE_SLOT : 10 + number + place,
  );
  const labels = tokenIds.map((id, place) => (place >= 7 + tokens - 2 ? id : IGNORE));
  return { id: `${number}`, task: 'vqa', tokenIds, labels, images: [image], contextLength: 6 };
}

const scenes = fc.array(fc.array(fc.integer({ min: 2, max: 30 }), { minLength: 4, maxLength: 12 }), {
  minLength: 6,
  maxLength: 24,
});

test('groups that are longer than a row need hardly more rows than their tokens do, and show few images twice', () => {
  let [found, ideal, twice, least] = [0, 0, 0, 0];
  fc.assert(
    fc.property(scenes, (lengths) => {
      let number = 0;
      const examples = lengths.flatMap((own, scene) => {
        const image = { path: `${scene}.png` };
        return own.map((tokens) => exampleOf(image, tokens, 100 * number++));
      });
      const { rows } = packExamples(examples, { maxTokens: 128, imageTokens: 4 });
      found += rows.length;
      ideal += Math.ceil(rows.reduce((sum, row) => sum + row.tokenIds.length, 0) / 128);
      twice += rows.reduce((sum, row) => sum + row.images.length, 0) - lengths.length;
      // So many times an image must come again, however rows are filled.
      least += lengths.reduce((sum, own) => {
        const tokens = own.reduce((all, length) => all + 2 + length, 0);
        return sum + Math.ceil(tokens / (128 - 5)) - 1;
      }, 0);
    }),
    { numRuns: 60, seed: 13 },
  );
  assert.ok(found <= 1.03 * ideal, `${found} rows, ${ideal} at least`);
  assert.ok(twice <= 1.5 * least, `${twice} images twice, ${least} at least`);
});

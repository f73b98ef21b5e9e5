import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TristageError } from '../../../lib/core/errors.ts';
import type { ImageRef, Sample } from '../../../lib/data/sample.ts';
import type { OpenSource } from '../../../lib/data/source.ts';
import { collectQuestions, withOtherImages, withSharedImages } from '../../../lib/eval/questions.ts';
import { heldout } from './eval-support.ts';

const ids = (samples: readonly Sample[]): string[] => samples.map(({ source, id }) => `${source} ${id}`);

test('the wanted number of questions of each task comes, the same for the same seed, others for another', async () => {
  const source = await heldout();
  const first = await collectQuestions({ source, perTask: 5, seed: 3 });
  const again = await collectQuestions({ source: await heldout(), perTask: 5, seed: 3 });
  const other = await collectQuestions({ source, perTask: 5, seed: 4 });
  for (const task of ['caption', 'refer', 'identify', 'detection', 'grounding', 'vqa']) {
    assert.equal(first.samples.filter((sample) => sample.task === task).length, 5, task);
  }
  assert.deepEqual(ids(first.samples), ids(again.samples));
  assert.notDeepEqual(ids(first.samples), ids(other.samples));
});

test('more questions of the same seed contain the fewer ones', async () => {
  const source = await heldout({ caption: 1, vqa: 1 });
  const few = await collectQuestions({ source, perTask: 4, seed: 3 });
  const many = await collectQuestions({ source, perTask: 9, seed: 3 });
  assert.deepEqual(ids(many.samples).slice(0, 8), ids(few.samples));
});

test('a source with fewer samples gives all of them once', async () => {
  const source = await heldout({ caption: 1 });
  const { samples } = await collectQuestions({ source, perTask: 1000, seed: 0 });
  assert.equal(new Set(ids(samples)).size, 200);
  assert.equal(samples.length, 200);
});

/** Samples with one text question each; those that `bad` names cannot be used. */
function listed(length: number, bad: (index: number) => boolean): OpenSource {
  return {
    name: 'listed',
    length,
    fingerprint: '',
    notes: [],
    get: async (index) => {
      if (bad(index))
        throw new TristageError({ kind: 'data', code: 'E_SAMPLE', message: 'broken', where: `row ${index}` });
      return { id: String(index), source: 'listed', task: 'text', turns: [{ question: 'q', answer: 'a' }] };
    },
  };
}

test('samples that cannot be used are named and others take their place; too many are an error', async () => {
  const { samples, unusable } = await collectQuestions({
    source: listed(40, (index) => index % 4 === 0),
    perTask: 20,
    seed: 1,
  });
  assert.equal(samples.length, 20);
  assert.ok(samples.every(({ id }) => Number(id) % 4 !== 0));
  assert.ok(unusable.length > 0 && unusable.every((line) => /^row \d+: broken$/.test(line)), unusable.join());
  for (const length of [3, 400]) {
    await assert.rejects(collectQuestions({ source: listed(length, () => true), perTask: 20, seed: 1 }), {
      code: 'E_BAD_SAMPLES',
      kind: 'data',
    });
  }
});

test('an error that is no fault of the data ends the collecting', async () => {
  const source: OpenSource = { ...listed(4, () => false), get: () => Promise.reject(new RangeError('a fault')) };
  await assert.rejects(collectQuestions({ source, perTask: 2, seed: 1 }), RangeError);
});

const raw = (value: number): ImageRef => ({
  pixels: new Uint8Array(12).fill(value),
  width: 2,
  height: 2,
  name: 'scene',
});
const asked = (id: string, image?: ImageRef): Sample => ({
  id,
  source: 's',
  task: image ? 'caption' : 'text',
  turns: [{ question: 'q', answer: 'a' }],
  ...(image && { image }),
});

test('images of equal content become one object; images that differ stay apart, whatever their names', () => {
  const bytes = { bytes: Uint8Array.of(1, 2, 3), name: 'a' };
  const shared = withSharedImages([
    asked('1', raw(1)),
    asked('2', raw(1)),
    asked('3', raw(2)),
    asked('4', { path: 'x.jpg' }),
    asked('5', { path: 'x.jpg' }),
    asked('6', bytes),
    asked('7', { bytes: Uint8Array.of(1, 2, 3), name: 'b' }),
    asked('8', { ...raw(1), width: 4, height: 1 } as ImageRef),
    asked('9'),
  ]);
  const images = shared.map(({ image }) => image);
  assert.equal(images[0], images[1]);
  assert.notEqual(images[0], images[2]);
  assert.equal(images[3], images[4]);
  assert.equal(images[5], images[6]);
  assert.notEqual(images[7], images[0]);
  assert.equal(images[8], undefined);
});

test('the control shows every question an image that is not its own, each image as often as before', () => {
  const samples = withSharedImages(
    [1, 2, 3, 1, 2].map((value, place) => asked(String(place), raw(value))).concat(asked('t')),
  );
  const others = withOtherImages(samples) ?? [];
  assert.equal(others.length, samples.length);
  samples.forEach((sample, place) => {
    assert.equal(others[place]?.id, sample.id);
    if (sample.image !== undefined) assert.notEqual(others[place]?.image, sample.image);
  });
  assert.equal(others[5]?.image, undefined);
  assert.equal(others[0]?.image, others[3]?.image, 'questions about one scene stay together');
  assert.deepEqual(new Set(others.map(({ image }) => image)), new Set(samples.map(({ image }) => image)));
});

test('one image alone has no control', () => {
  assert.equal(withOtherImages(withSharedImages([asked('1', raw(1)), asked('2', raw(1))])), undefined);
});

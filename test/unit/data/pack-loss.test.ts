/** The promise of packing, kept by the model: every supervised token has the loss that it has alone. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { packExamples } from '../../../lib/data/pack.ts';
import { padPackedRows } from '../../../lib/data/packed-batch.ts';
import { type Example, IGNORE, type ImageRef } from '../../../lib/data/sample.ts';
import { tf } from '../../../lib/engine/tf.ts';
import { deviceBatch, disposeBatch, type ModelBatch } from '../../../lib/model/batch.ts';
import { disposeMiniGpt, type MiniGpt, tokenLosses } from '../../../lib/model/minigpt.ts';
import { openTestEngine } from '../../support/engine.ts';
import { relativeError } from '../../support/tensors.ts';
import { TINY_IMAGE_TOKENS, tinyModel, tinyPixels, withImage } from '../model/tiny-model.ts';

before(openTestEngine);

const IMAGES = [{ path: 'a.png' }, { path: 'b.png' }] as const;

function example(
  id: string,
  image: 0 | 1 | undefined,
  question: readonly number[],
  answer: readonly number[],
): Example {
  const prompt = image === undefined ? [1, ...question] : withImage(...question);
  return {
    id,
    task: 'vqa',
    tokenIds: Int32Array.from([...prompt, ...answer, 2]),
    labels: Int32Array.from([...prompt.map(() => IGNORE), ...answer, 2]),
    images: image === undefined ? [] : [IMAGES[image]],
    contextLength: prompt.length - 1,
  };
}

/** Losses of the supervised tokens of a batch by `b * T + t` of the token itself. */
function lossesOf(model: MiniGpt, batch: ModelBatch): Map<number, number> {
  const device = deviceBatch(batch, model.config);
  const losses = tf.tidy(() => tokenLosses(model, device).dataSync());
  const places = [...device.places];
  disposeBatch(device);
  return new Map(places.map((place, index) => [place + 1, losses[index] as number]));
}

test('packed losses equal those of each example alone', () => {
  const model = tinyModel();
  const examples = [
    example('a1', 0, [5, 6], [7, 8]),
    example('b1', 1, [5, 6], [7, 8]),
    example('a2', 0, [5, 9, 10], [11]),
    example('text', undefined, [12, 13], [14, 15, 16]),
    example('a3', 0, [5, 6], [9]),
  ];
  const pixels = new Map<ImageRef, Uint8Array>(IMAGES.map((image, seed) => [image, tinyPixels(1, 40 + seed)]));
  const pixelsOf = (images: readonly ImageRef[]): Uint8Array =>
    Uint8Array.from(images.flatMap((image) => [...(pixels.get(image) as Uint8Array)]));

  const { rows, savedTokens } = packExamples(examples, { maxTokens: 28, imageTokens: TINY_IMAGE_TOKENS });
  assert.ok(rows.length > 1 && rows.some((row) => new Set(row.groups).size > 1) && savedTokens > 0);
  const batch = padPackedRows(rows);
  const packed = lossesOf(model, { ...batch, pixels: pixelsOf(batch.images) });

  const [, T] = batch.shape;
  for (const [owner, one] of batch.examples.entries()) {
    const length = one.tokenIds.length;
    const alone = lossesOf(model, {
      tokenIds: one.tokenIds,
      labels: one.labels,
      attentionMask: new Uint8Array(length).fill(1),
      shape: [1, length],
      pixels: pixelsOf(one.images),
    });
    const mine = [...packed].filter(([place]) => batch.owners[place] === owner);
    assert.deepEqual(
      mine.map(([place]) => batch.positions[place]),
      [...alone.keys()],
    );
    const error = relativeError(
      mine.map(([, loss]) => loss),
      [...alone.values()],
    );
    assert.ok(error < 2e-6, `${one.id} in a row of ${T}: ${error}`);
  }
  assert.equal(
    packed.size,
    examples.reduce((sum, { labels }) => sum + labels.filter((label) => label >= 0).length, 0),
  );
  disposeMiniGpt(model);
});

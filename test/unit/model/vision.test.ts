import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tf } from '../../../lib/engine/tf.ts';
import { joinNeighbours } from '../../../lib/model/projector.ts';
import { countImages, normalisedPixels, pixelNorm } from '../../../lib/model/vision/normalise.ts';
import { posEmbedGrid, resizePosEmbed } from '../../../lib/model/vision/pos-embed.ts';
import { openTestEngine } from '../../support/engine.ts';
import { relativeError } from '../../support/tensors.ts';

await openTestEngine();

test('a constant grid stays constant at any size, and the cls row is kept as it is', () => {
  const values = Float32Array.from({ length: 10 * 2 }, (_, i) => (i < 2 ? 9 + i : (i % 2) + 1));
  const resized = resizePosEmbed({ values, width: 2, grid: 5 });
  assert.equal(resized.length, 26 * 2);
  assert.deepEqual([...resized.subarray(0, 2)], [9, 10]);
  for (let i = 2; i < resized.length; i++) assert.ok(Math.abs((resized[i] ?? 0) - ((i % 2) + 1)) < 1e-6);
});

test('a grid of the wanted side is returned untouched', () => {
  const values = Float32Array.from({ length: 5 * 3 }, (_, i) => i);
  assert.equal(resizePosEmbed({ values, width: 3, grid: 2 }), values);
});

test('enlarging a ramp of two gives the overshooting values of a = -0.75 at half-pixel centres', () => {
  // torch.nn.functional.interpolate([[0, 1], [0, 1]], size=4, mode='bicubic') in one row
  const resized = resizePosEmbed({ values: Float32Array.of(0, 0, 1, 0, 1), width: 1, grid: 4 });
  const row = [-0.10546875, 0.2265625, 0.7734375, 1.10546875];
  assert.ok(relativeError(resized.subarray(1, 5), row) < 1e-6, `${resized.subarray(1, 5)}`);
});

test('a position embedding that is no square is refused by name', () => {
  assert.throws(() => posEmbedGrid(7), { code: 'E_POS_EMBED', where: 'visual_encoder.pos_embed' });
});

test('bytes are normalised by the mean and deviation of their colour and laid out channels first', () => {
  const pixels = Uint8Array.from({ length: 2 * 2 * 3 }, (_, i) => 20 * i);
  const { mean, std } = pixelNorm({});
  const tensor = normalisedPixels(pixels, { imageSize: 2 });
  assert.deepEqual(tensor.shape, [1, 3, 2, 2]);
  const expected = [0, 1, 2].flatMap((c) =>
    [0, 1, 2, 3].map((place) => ((20 * (3 * place + c)) / 255 - (mean[c] ?? 0)) / (std[c] ?? 1)),
  );
  assert.ok(relativeError(tensor.dataSync(), expected) < 1e-6);
  tensor.dispose();
});

test('pixels that are no whole number of images are refused', () => {
  assert.equal(countImages(new Uint8Array(24), 2), 2);
  assert.throws(() => countImages(new Uint8Array(25), 2), { code: 'E_PIXELS' });
});

test('joining puts four neighbours of a raster row side by side', () => {
  const x = tf.tensor3d(
    Float32Array.from({ length: 16 }, (_, i) => i),
    [1, 8, 2],
  );
  const joined = joinNeighbours(x, 4);
  assert.deepEqual(joined.shape, [1, 2, 8]);
  assert.deepEqual([...joined.dataSync()].slice(8), [8, 9, 10, 11, 12, 13, 14, 15]);
  tf.dispose([x, joined]);
});

/** The vision tower that ships: its bytes are the documented ones, it fits the quickstart's stages, and it sees. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { registry } from '../../bin/registry.ts';
import { openPatches } from '../../datasets/emoji-scenes/open-patches.ts';
import { readWeights } from '../../lib/checkpoint/import.ts';
import { sha256File } from '../../lib/core/hash.ts';
import type { PatchSplit } from '../../lib/data/patch-scenes.ts';
import { tf } from '../../lib/engine/tf.ts';
import { toFloat32 } from '../../lib/formats/host-tensor.ts';
import { readSafetensors } from '../../lib/formats/safetensors.ts';
import { gridSide } from '../../lib/model/config.ts';
import { visionParams } from '../../lib/model/params.ts';
import { visionShapes } from '../../lib/model/shapes.ts';
import { createParams, disposeParams } from '../../lib/model/store.ts';
import { evaVit, visualTokens } from '../../lib/model/vision/eva-vit.ts';
import { normalisedPixels } from '../../lib/model/vision/normalise.ts';
import { resolveAll } from '../../lib/run/config.ts';
import { openTestEngine } from '../support/engine.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const FILE = join(ROOT, 'configs/quickstart/vision.safetensors');
const config = (name: string) => resolveAll([join(ROOT, `configs/quickstart/${name}.yaml`)], { registry })[0]!.config;
const { model, data } = config('vision');

describe('configs/quickstart/vision.safetensors', () => {
  test('is the file that docs/quickstart-vision.md describes, of less than 2 MB', async () => {
    const text = readFileSync(join(ROOT, 'docs/quickstart-vision.md'), 'utf8');
    const { hash, bytes } = await sha256File(FILE);
    assert.ok(text.includes(hash), `SHA-256 ${hash}`);
    assert.ok(text.includes(bytes.toLocaleString('en-US')), `${bytes} bytes`);
    assert.ok(bytes < 2e6);
  });

  test('holds every weight of the tower in float16, all finite', async () => {
    const tensors = await readSafetensors(FILE);
    assert.deepEqual([...tensors.keys()].sort(), [...visionShapes(model.vision).keys()].sort());
    for (const [name, tensor] of tensors) {
      assert.equal(tensor.dtype, 'F16', name);
      assert.ok(toFloat32(tensor).every(Number.isFinite), name);
    }
  });

  for (const name of ['stage1', 'stage2', 'stage3']) {
    test(`fits the tower of ${name} and is the one that it names`, {
      skip: existsSync(join(ROOT, `configs/quickstart/${name}.yaml`)) ? false : 'no such file',
    }, () => {
      const stage = config(name).model;
      assert.deepEqual(stage.vision, model.vision);
      assert.equal(resolve(stage.weights.vision ?? ''), FILE);
    });
  }

  test('tells the kinds apart on held-out scenes: each patch by the nearest mean of its kind on training scenes', async () => {
    await openTestEngine();
    const expected = visionShapes(model.vision);
    const { tensors } = await readWeights({ path: FILE, expected });
    const source = (name: string) => ({ shape: expected.get(name)!, values: toFloat32(tensors.get(name)!) });
    const store = createParams({ shapes: expected, source, trainable: () => false, seed: 0 });
    const { imageSize } = model.vision;
    const options = data.mixture.sources[0]!;
    const scenes = await openPatches({ options, imageSize, grid: gridSide(model.vision) });
    const look = (split: PatchSplit, count: number): { kind: number; features: Float32Array }[] =>
      Array.from({ length: count }, (_, index) => scenes.scene(split, index)).flatMap(({ pixels, classes }) => {
        const features = tf.tidy(() => {
          const params = visionParams(store, model.vision);
          const x = evaVit({ pixels: normalisedPixels(pixels, model.vision), params, config: model.vision });
          return visualTokens({ x, params, config: model.vision }).dataSync<'float32'>();
        });
        const D = model.vision.width;
        return [...classes].map((kind, patch) => ({ kind, features: features.slice(patch * D, (patch + 1) * D) }));
      });
    const means = meansByKind(look('train', 60), scenes.kinds.length + 1);
    const seen = look('heldout', 60).filter(({ kind }) => kind > 0);
    const right = seen.filter(({ kind, features }) => nearest(means, features) === kind).length;
    disposeParams(store);
    assert.ok(seen.length > 400, `${seen.length} patches of objects`);
    assert.ok(right / seen.length > 0.95, `${right} of ${seen.length}`);
  });
});

function meansByKind(patches: readonly { kind: number; features: Float32Array }[], kinds: number): Float64Array[] {
  return Array.from({ length: kinds }, (_, kind) => {
    const own = patches.filter((patch) => patch.kind === kind);
    const mean = new Float64Array(own[0]?.features.length ?? 0);
    for (const { features } of own) for (const [i, value] of features.entries()) mean[i] = (mean[i] ?? 0) + value;
    return mean.map((sum) => sum / own.length);
  });
}

function nearest(means: readonly Float64Array[], features: Float32Array): number {
  const distances = means.map((mean) => mean.reduce((sum, value, i) => sum + (value - (features[i] ?? 0)) ** 2, 0));
  return distances.indexOf(Math.min(...distances));
}

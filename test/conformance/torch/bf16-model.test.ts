/** The whole model in bfloat16 as on CUDA, on the CPU: what flows and what is kept is bfloat16, what trains is float32. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { valueAndGrads } from '../../../lib/engine/autograd/index.ts';
import { isNarrow } from '../../../lib/engine/narrow.ts';
import { storedIn } from '../../../lib/engine/precision.ts';
import { type Tensor, tf } from '../../../lib/engine/tf.ts';
import { native } from '../../../lib/engine/torch/binding.ts';
import { registerFused } from '../../../lib/engine/torch/fused/index.ts';
import { computeTorchIn } from '../../../lib/engine/torch/index.ts';
import { deviceBatch, disposeBatch } from '../../../lib/model/batch.ts';
import { createMiniGpt, disposeMiniGpt, type MiniGpt, tokenLosses } from '../../../lib/model/minigpt.ts';
import { trainableOf } from '../../../lib/model/store.ts';
import { createAdamW } from '../../../lib/train/adamw.ts';
import { trainStep } from '../../../lib/train/step.ts';
import { relativeError } from '../../support/tensors.ts';
import { TINY, tinyBatch, withImage } from '../../unit/model/tiny-model.ts';
import { torchBackend } from './bf16-support.ts';
import { openOrReason } from './support.ts';
import { emulatedKernels } from './whole-operators.ts';

const skip = await openOrReason();

const trains = (name: string): boolean => /lora_|llama_proj/.test(name);

function model(precision: 'float32' | 'bf16'): MiniGpt {
  const storage = (name: string, shape: readonly number[]) => storedIn({ precision, shape, frozen: !trains(name) });
  return createMiniGpt({ config: TINY, trainable: trains, seed: 3, storage });
}

const batch = tinyBatch([
  { ids: withImage(4, 5, 6, 7, 8, 9, 10, 11), supervised: 6 },
  { ids: withImage(9, 10), supervised: 1 },
]);

interface Passed {
  losses: Float32Array;
  gradients: Float32Array[];
  /** Trace name -> whether it lies in bfloat16. */
  traced: Map<string, boolean>;
  /** Bytes that are kept for the backward pass. */
  kept: number;
}

function pass(of: MiniGpt, recompute = false): Passed {
  const device = deviceBatch(batch, of.config);
  const traced = new Map<string, boolean>();
  let kept = 0;
  const before = native().stats()[1];
  const { value, aux, grads } = valueAndGrads(() => {
    const trace = (name: string, tensor: Tensor) => void traced.set(name, isNarrow(tensor));
    const losses = tf.tidy(() => tokenLosses(of, device, { recompute, trace }));
    kept = native().stats()[1] - before;
    return [tf.sum(losses), losses];
  }, [...trainableOf(of.store).values()]);
  assert.ok(grads.every((grad) => grad !== null && !isNarrow(grad)));
  const [losses, ...gradients] = [aux[0]!, ...grads].map((tensor) => Float32Array.from(tensor!.dataSync()));
  tf.dispose([value, ...aux, ...grads.map((grad) => grad!)]);
  disposeBatch(device);
  return { losses: losses!, gradients, traced, kept };
}

describe('torch: a model that computes in bfloat16', { skip }, () => {
  let wide: Passed;
  before(async () => {
    await tf.setBackend('torch');
    const reference = model('float32');
    wide = pass(reference);
    disposeMiniGpt(reference);
    // As on CUDA, where the addon has no loops of its own, and torch has operators that it has nowhere else.
    registerFused(torchBackend(), { loops: false, device: emulatedKernels });
    computeTorchIn('bf16');
  });
  after(() => {
    computeTorchIn('float32');
    registerFused(torchBackend(), { loops: true });
  });

  test('losses and gradients are near those of float32, and recomputing changes nothing', () => {
    const narrow = model('bf16');
    const alive = tf.memory().numTensors;
    const found = pass(narrow);
    assert.ok(relativeError(found.losses, wide.losses) < 0.005, `${relativeError(found.losses, wide.losses)}`);
    found.gradients.forEach((gradient, i) => {
      const error = relativeError(gradient, wide.gradients[i]!);
      assert.ok(error < 0.06, `gradient ${i}: ${error}`);
    });
    const again = pass(narrow, true);
    assert.deepEqual([again.losses, again.gradients], [found.losses, found.gradients]);
    assert.equal(tf.memory().numTensors, alive);
    disposeMiniGpt(narrow);
  });

  test('the residual stream is bfloat16 from patches to the last norm, and half as much is kept', () => {
    const narrow = model('bf16');
    const { traced, kept } = pass(narrow);
    for (const name of ['patch_embed', 'block1', 'img_embeds', 'inputs_embeds', 'hidden0', 'hidden1', 'hidden2'])
      assert.equal(traced.get(name), true, name);
    assert.ok(kept < 0.65 * wide.kept, `${kept} and ${wide.kept} bytes`);
    disposeMiniGpt(narrow);
  });

  test('a step trains float32 weights with float32 moments', async () => {
    const narrow = model('bf16');
    const trainable = trainableOf(narrow.store);
    const optimizer = createAdamW(trainable, { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.05 });
    const losses: number[] = [];
    for (let step = 0; step < 5; step++) {
      const report = await trainStep({
        model: narrow,
        trainable,
        optimizer,
        microBatches: [batch, batch],
        step,
        lr: 0.02,
        options: { clipNorm: 1, dropout: { rate: 0.1, seed: 1 } },
      });
      losses.push(report.loss);
    }
    assert.ok(losses.at(-1)! < losses[0]! - 0.05, losses.join(' '));
    const state = [...optimizer.state.values()].flatMap(({ expAvg, expAvgSq }) => [expAvg, expAvgSq]);
    assert.ok([...trainable.values(), ...state].every((tensor) => !isNarrow(tensor)));
    optimizer.dispose();
    disposeMiniGpt(narrow);
  });
});

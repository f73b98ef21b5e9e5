/** A vision tower that does not fit the memory at all: the run ends with a code, and with what to do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { registry } from '../../bin/registry.ts';
import { TristageError } from '../../lib/core/errors.ts';
import { openEngine } from '../../lib/engine/engine.ts';
import { native } from '../../lib/engine/torch/binding.ts';
import { trainableOf } from '../../lib/model/store.ts';
import { resolveAll } from '../../lib/run/config.ts';
import { visionUpdater } from '../../lib/run/vision-update.ts';
import { createAdamW } from '../../lib/train/adamw.ts';
import { createPatchModel } from '../../lib/train/vision-model.ts';

await openEngine({ backend: 'torch', device: 'cpu', threads: 1 });

test('a step that does not fit one image at a time is cut until there is one, and ends with a code, status 6 and what to do', async () => {
  const set = [
    'model.vision.width=256',
    'model.vision.mlpHidden=1024',
    'train.globalBatch=4',
    'train.patches.heldOutImages=1',
  ];
  const { config } = resolveAll(['configs/quickstart/vision.yaml'], { registry, set })[0]!;
  const model = createPatchModel({ config: config.model.vision, kinds: 8, seed: 1, start: 'narrow' });
  const optimizer = createAdamW(trainableOf(model.store), { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0 });
  const sizes: number[] = [];
  const update = visionUpdater({
    ...{ config, model, optimizer, boxWeight: 3, microBatch: 4 },
    onOutOfMemory: async ({ to }) => void sizes.push(to),
    faultOf: () => new TristageError({ kind: 'numeric', code: 'E_NOT_FINITE', message: 'not finite' }),
  });
  const batch = {
    pixels: new Uint8Array(4 * 3 * 112 ** 2),
    classes: new Uint8Array(4 * 64),
    boxes: new Float32Array(4 * 4 * 64),
  };
  native().limitMemory(1);
  try {
    await assert.rejects(update(1, batch), (error: unknown) => {
      assert.ok(error instanceof TristageError);
      assert.deepEqual([error.code, error.exitStatus, error.where], ['E_MEMORY', 6, 'step 2']);
      assert.match(error.fix ?? '', /engine\.memory.*model\.vision/);
      return true;
    });
  } finally {
    native().limitMemory(0);
  }
  assert.deepEqual(sizes, [2, 1]);
});

/** A small ViT of the DINOv2 family: features as transformers computes them, from a file under timm's names. */
import { basename, join } from 'node:path';
import { readWeights } from '../../../lib/checkpoint/import.ts';
import { tf } from '../../../lib/engine/tf.ts';
import { toFloat32 } from '../../../lib/formats/host-tensor.ts';
import type { VisionConfig } from '../../../lib/model/config.ts';
import { visionParams } from '../../../lib/model/params.ts';
import { POS_EMBED, visionShapes } from '../../../lib/model/shapes.ts';
import { createParams, disposeParams } from '../../../lib/model/store.ts';
import { evaVit, visualTokens } from '../../../lib/model/vision/eva-vit.ts';
import { holdingTrace, LIMITS, readJson, readTensors, recorded, report } from '../fixture.ts';
import type { ParityResult } from '../result.ts';

interface Dinov2Fixture {
  dims: { img: number; patch: number; dim: number; depth: number; heads: number; mlp_hidden: number };
  eps: number;
}

/** Runs one fixture folder. */
export async function run(dir: string): Promise<ParityResult[]> {
  const { dims, eps } = await readJson<Dinov2Fixture>(dir, 'config.json');
  const { img: imageSize, patch, dim: width, depth, heads, mlp_hidden: mlpHidden } = dims;
  const options = { qkvBias: true, layerScale: true, finalNorm: true, pixels: 'imagenet' } as const;
  const config: VisionConfig = { imageSize, patch, width, depth, heads, mlpHidden, eps, lnEps: eps, ...options };
  const shapes = visionShapes(config);
  const path = join(dir, 'weights.safetensors');
  const { tensors } = await readWeights({ path, expected: shapes, acceptShape: (name) => name === POS_EMBED });
  const io = recorded(await readTensors(join(dir, 'io.safetensors')));
  const store = createParams({
    shapes,
    source: (name) => {
      const tensor = tensors.get(name);
      return tensor && { shape: tensor.shape, values: toFloat32(tensor) };
    },
    trainable: () => false,
    seed: 0,
  });
  const params = visionParams(store, config);
  const checks = report(basename(dir));
  const { trace, held, release } = holdingTrace();
  tf.tidy(() => {
    const x = evaVit({ pixels: io.tensor('image'), params, config, trace });
    visualTokens({ x, params, config, trace });
  });
  for (let layer = 0; layer < depth; layer++) {
    const found = held.get(`block${layer}`)?.dataSync() ?? [];
    checks.close(`block${layer}`, found, io.floats(`hidden${layer + 1}`), LIMITS.activation);
  }
  checks.close('features', held.get('ln_vision')?.dataSync() ?? [], io.floats('features'), LIMITS.activation);
  release();
  disposeParams(store);
  return checks.results;
}

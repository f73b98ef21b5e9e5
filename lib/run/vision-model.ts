/** The tower, its head and its optimizer at the start of a run, and what the run comes to. */

import { readWeights } from '../checkpoint/import.ts';
import type { Checkpoint } from '../checkpoint/store.ts';
import { readOptimizer } from '../checkpoint/tensors.ts';
import { fixedMicroBatch } from '../config/micro-batch.ts';
import type { RunConfig } from '../config/schema.ts';
import type { PatchSettings } from '../config/schema-patches.ts';
import { sha256File } from '../core/hash.ts';
import { toFloat32 } from '../formats/host-tensor.ts';
import { gridSide } from '../model/config.ts';
import { countValues } from '../model/shapes.ts';
import { type HostWeight, trainableOf } from '../model/store.ts';
import { type AdamW, createAdamW } from '../train/adamw.ts';
import type { RunPlan } from '../train/plan.ts';
import { createPatchModel, PATCH_HEAD_PREFIX, type PatchModel, patchModelShapes } from '../train/vision-model.ts';
import type { VisionData } from './vision-data.ts';
import type { ExternalFile } from './weights.ts';

export interface OpenVisionModel {
  model: PatchModel;
  optimizer: AdamW;
  /** The published file that the tower started from, if any. */
  external: ExternalFile[];
}

/**
 * Creates the model of a run on the engine that is open: from its checkpoint, from `model.weights.vision` with a new head, or from
 * nothing.
 * @throws TristageError E_WEIGHT_* for a file that does not fit
 */
export async function openVisionModel(request: {
  config: RunConfig;
  settings: PatchSettings;
  data: Pick<VisionData, 'kinds'>;
  checkpoint: Checkpoint | undefined;
}): Promise<OpenVisionModel> {
  const { config, settings, data, checkpoint } = request;
  const { vision, weights } = config.model;
  const { seed, optimizer: rule } = config.train;
  const kinds = data.kinds.length;
  const loaded = await load(patchModelShapes(vision, kinds), checkpoint?.modelFile, weights.vision);
  const source = (name: string): HostWeight | undefined => loaded.get(name);
  const model = createPatchModel({ config: vision, kinds, seed, start: settings.start, source });
  const { betas, eps, weightDecay } = rule;
  const optimizer = createAdamW(trainableOf(model.store), { betas, eps, weightDecay });
  if (checkpoint !== undefined) optimizer.restore(await readOptimizer(checkpoint.optimizerFile));
  return { model, optimizer, external: await hashed(weights.vision) };
}

async function load(
  expected: ReadonlyMap<string, readonly number[]>,
  own: string | undefined,
  published: string | undefined,
): Promise<Map<string, HostWeight>> {
  const path = own ?? published;
  if (path === undefined) return new Map();
  const optional = (name: string) => own === undefined && name.startsWith(PATCH_HEAD_PREFIX);
  const { tensors } = await readWeights({ path, expected, optional });
  return new Map([...tensors].map(([name, tensor]) => [name, { shape: tensor.shape, values: toFloat32(tensor) }]));
}

async function hashed(path: string | undefined): Promise<ExternalFile[]> {
  if (path === undefined) return [];
  const { hash, bytes } = await sha256File(path);
  return [{ path, part: 'vision', sha256: hash, bytes }];
}

/**
 * The plan of a run of the tower alone.
 * @param chosen the micro-batch where the file leaves it open
 */
export function visionPlan(config: RunConfig, data: VisionData, chosen?: number): RunPlan {
  const { vision, join } = config.model;
  const { steps, globalBatch } = config.train;
  const microBatch = chosen ?? fixedMicroBatch(config.train) ?? globalBatch;
  const samples = steps * globalBatch;
  const values = countValues(patchModelShapes(vision, data.kinds.length));
  return {
    parameters: { vision: values, projector: 0, lora: 0, llm: 0 },
    trainable: values,
    frozen: 0,
    tokensPerImage: gridSide(vision) ** 2 / join,
    steps,
    globalBatch,
    microBatches: Math.ceil(globalBatch / microBatch),
    samples,
    sources: [
      {
        source: data.source,
        task: 'patches',
        samples: data.length,
        share: 1,
        drawn: samples,
        epochs: samples / data.length,
      },
    ],
  };
}

/** The plan as lines for people. */
export function describeVision(plan: RunPlan, data: VisionData): string[] {
  const text = (value: number) => value.toLocaleString('en-US');
  return [
    `parameters: vision ${text(plan.trainable)}, throw-away head included; all train`,
    `plan: ${text(plan.steps)} steps of ${plan.globalBatch} images, ${text(plan.samples)} images in all`,
    `source ${data.source}: ${text(data.length)} images of ${data.kinds.length} kinds of object (${data.kinds.join(', ')})`,
  ];
}

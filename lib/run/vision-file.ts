/** vision.safetensors: what a run that trains a vision tower is for. */

import { join } from 'node:path';
import { tensorSources } from '../checkpoint/tensors.ts';
import { sha256File } from '../core/hash.ts';
import { castFloat } from '../formats/host-tensor.ts';
import { type TensorSource, writeSafetensorsFrom } from '../formats/safetensors.ts';
import { visionShapes } from '../model/shapes.ts';
import type { PatchAccuracy } from '../train/vision-accuracy.ts';
import type { PatchModel } from '../train/vision-model.ts';
import { writeRunJson } from './run-folder.ts';

/** Names within the run folder. */
export const VISION_FILES = { weights: 'vision.safetensors', facts: 'vision.json' } as const;

export interface VisionFile {
  file: string;
  sha256: string;
  bytes: number;
  /** Steps of training behind it. */
  step: number;
  /** Kinds of object that the tower was taught. */
  kinds: readonly string[];
  heldOut: PatchAccuracy & { images: number };
}

/**
 * Writes the tower without its head in float16, under EVA's names, and vision.json beside it. Equal weights give equal bytes.
 * @returns the content of vision.json
 */
export async function writeVisionFile(request: {
  folder: string;
  model: PatchModel;
  step: number;
  kinds: readonly string[];
  heldOut: VisionFile['heldOut'];
}): Promise<VisionFile> {
  const { folder, model, step, kinds, heldOut } = request;
  const tower = new Map([...visionShapes(model.config).keys()].map((name) => [name, model.store.get(name)!]));
  const halves = new Map([...tensorSources(tower)].map(([name, source]) => [name, halved(source)]));
  const path = join(folder, VISION_FILES.weights);
  await writeSafetensorsFrom(path, halves, { format: 'pt' });
  const { hash, bytes } = await sha256File(path);
  const facts: VisionFile = { file: VISION_FILES.weights, sha256: hash, bytes, step, kinds, heldOut };
  await writeRunJson(folder, VISION_FILES.facts, facts);
  return facts;
}

function halved({ shape, read }: TensorSource): TensorSource {
  return { dtype: 'F16', shape, read: async () => castFloat(await read(), 'F16') };
}

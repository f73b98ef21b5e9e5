/** Published weights in miniature: the names, files and dtypes of LLaMA-2 (Hugging Face) and EVA ViT-g, at any size, with random values. */

import { mkdirSync } from 'node:fs';
import { keyOfText, randomStream } from '../../lib/core/rng.ts';
import { llama2Tokenizer } from '../../lib/data/tokenizer.ts';
import { writeLlamaFolder as writeFolder } from '../../lib/export/llama-folder.ts';
import { castFloat, fromFloat32 } from '../../lib/formats/host-tensor.ts';
import type { TensorSource } from '../../lib/formats/safetensors.ts';
import { writeTorchFile } from '../../lib/formats/torch-zip-writer.ts';
import type { LlamaConfig, VisionConfig } from '../../lib/model/config.ts';
import { llamaShapes, type ShapeTable, VISION_PREFIX, valuesIn, visionShapes } from '../../lib/model/shapes.ts';

/** Small random numbers in float16, as both files are published. */
function half(name: string, shape: readonly number[]): TensorSource {
  const random = randomStream(keyOfText(name));
  const norm = /norm\d?\.weight$|layernorm\.weight$/.test(name) ? 1 : 0;
  const values = Float32Array.from(
    { length: valuesIn(shape) },
    (_, i) => norm + (random.uint32(i) / 2 ** 32 - 0.5) / 16,
  );
  const read = () => castFloat(fromFloat32(values, [...shape]), 'F16');
  return { dtype: 'F16', shape, read };
}

function halves(shapes: ShapeTable): Map<string, TensorSource> {
  return new Map([...shapes].map(([name, shape]) => [name, half(name, shape)]));
}

/** Writes a Hugging Face folder: config.json, a tokenizer, and the weights in shards with their index. */
export async function writeLlamaFolder(folder: string, config: LlamaConfig): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const tokenizer = await llama2Tokenizer();
  const vocabulary = { whole: tokenizer, tokenizer };
  const weights = halves(llamaShapes(config));
  // A byte a value is half of them: several files.
  const shardBytes = [...weights.values()].reduce((sum, { shape }) => sum + valuesIn(shape), 0);
  await writeFolder(folder, { config, vocabulary, weights, dtype: 'F16', shardBytes });
}

/** Writes `eva_vit_g.pth`: the tower without `ln_vision`, and what the published file has beyond it: a last norm and a head. */
export async function writeEvaFile(path: string, config: VisionConfig): Promise<void> {
  const tower = [...halves(visionShapes(config))].filter(([name]) => name.startsWith(VISION_PREFIX));
  const state = new Map(tower.map(([name, source]) => [name.slice(VISION_PREFIX.length), source]));
  for (const name of ['norm.weight', 'norm.bias', 'head.weight', 'head.bias'])
    state.set(name, half(name, [config.width]));
  await writeTorchFile(path, state);
}

/** Published weights in miniature: the names, files and dtypes of LLaMA-2 (Hugging Face) and EVA ViT-g, at any size, with random values. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { keyOfText, randomStream } from '../../lib/core/rng.ts';
import { castFloat, fromFloat32 } from '../../lib/formats/host-tensor.ts';
import { type TensorSource, writeSafetensorsFrom } from '../../lib/formats/safetensors.ts';
import { writeTorchFile } from '../../lib/formats/torch-zip-writer.ts';
import type { LlamaConfig, VisionConfig } from '../../lib/model/config.ts';
import { llamaShapes, type ShapeTable, visionShapes } from '../../lib/model/shapes.ts';

/** Small random numbers in float16, as both files are published. */
function half(name: string, shape: readonly number[]): TensorSource {
  const count = shape.reduce((product, size) => product * size, 1);
  const random = randomStream(keyOfText(name));
  const norm = /norm\d?\.weight$|layernorm\.weight$/.test(name) ? 1 : 0;
  const values = Float32Array.from({ length: count }, (_, i) => norm + (random.uint32(i) / 2 ** 32 - 0.5) / 16);
  const read = () => castFloat(fromFloat32(values, [...shape]), 'F16');
  return { dtype: 'F16', shape, read };
}

function halves(shapes: ShapeTable, prefix: string): Map<string, TensorSource> {
  return new Map([...shapes].map(([name, shape]) => [name.slice(prefix.length), half(name, shape)]));
}

/**
 * Writes a Hugging Face folder: two shards with their index, and config.json.
 * @param said what config.json says otherwise
 */
export async function writeLlamaFolder(
  folder: string,
  config: LlamaConfig,
  said: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const tensors = [...halves(llamaShapes(config), 'llama_model.')];
  const middle = Math.ceil(tensors.length / 2);
  const weightMap: Record<string, string> = {};
  for (const [number, part] of [tensors.slice(0, middle), tensors.slice(middle)].entries()) {
    const name = `model-0000${number + 1}-of-00002.safetensors`;
    await writeSafetensorsFrom(join(folder, name), new Map(part), { format: 'pt' });
    for (const [key] of part) weightMap[key] = name;
  }
  const index = { metadata: { total_size: 0 }, weight_map: weightMap };
  writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify(index));
  const settings = {
    model_type: 'llama',
    vocab_size: config.vocabulary,
    hidden_size: config.width,
    intermediate_size: config.mlpHidden,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    hidden_act: 'silu',
    rms_norm_eps: config.rmsEps,
    rope_scaling: null,
    tie_word_embeddings: config.tieEmbeddings,
  };
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...settings, ...said }));
}

/** Writes `eva_vit_g.pth`: the tower without `ln_vision`, and what the published file has beyond it: a last norm and a head. */
export async function writeEvaFile(path: string, config: VisionConfig): Promise<void> {
  const tower = halves(visionShapes(config), 'visual_encoder.');
  const names = [...visionShapes(config).keys()].filter((name) => !name.startsWith('ln_vision.'));
  const state = new Map(
    names.map((name) => name.slice('visual_encoder.'.length)).map((name) => [name, tower.get(name)!]),
  );
  for (const name of ['norm.weight', 'norm.bias', 'head.weight', 'head.bias'])
    state.set(name, half(name, [config.width]));
  await writeTorchFile(path, state);
}

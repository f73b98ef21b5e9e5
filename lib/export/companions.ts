/** What several formats hold beside their own files: the vision tower, the projector, the base language model, the tokenizer. */

import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TensorSource, writeSafetensorsFrom } from '../formats/safetensors.ts';
import {
  llamaShapes,
  modelShapes,
  POS_EMBED,
  projectorShapes,
  type ShapeTable,
  visionShapes,
} from '../model/shapes.ts';
import type { ExportSubject, ReadContext } from './format.ts';
import type { GatheredWeights } from './gathered.ts';
import { writeLlamaFolder } from './llama-folder.ts';
import type { ExportOptions, OutsideName } from './request.ts';
import { writeTokenizer } from './tokenizer.ts';

const FILES = { vision: 'vision.safetensors', projector: 'projector.safetensors', base: 'base' } as const;

/** Accepted difference of logits, as a share of the largest, where a language model is stored in a type after computing with it. */
export const ROUNDED = { F32: 1e-4, F16: 1e-2, BF16: 5e-2 } as const;

const isLnVision = (name: string): boolean => name.startsWith('ln_vision.');

/** Whether a part is in published files, so that the export refers to it. */
export function isOutside({ outside }: Pick<ReadContext, 'outside'>, part: OutsideName): boolean {
  return outside.some((one) => one.part === part);
}

/** The sources of the named weights. */
export function weightsOf({ weights }: ExportSubject, names: Iterable<string>): Map<string, TensorSource> {
  return new Map([...names].map((name) => [name, weights.get(name) as TensorSource]));
}

/** Writes vision.safetensors under the names that the trainer uses, unless a published file holds the tower. */
export async function writeVision(subject: ExportSubject, folder: string): Promise<void> {
  if (isOutside(subject, 'vision')) return;
  const path = join(folder, FILES.vision);
  if (subject.visionFile !== undefined) return copyFile(subject.visionFile, path);
  const names = [...visionShapes(subject.config.vision).keys()];
  await writeSafetensorsFrom(path, weightsOf(subject, names), { format: 'pt' });
}

/**
 * Writes projector.safetensors: `llama_proj`, and `ln_vision`, the norm before it, which no published tower holds.
 */
export async function writeProjector(subject: ExportSubject, folder: string): Promise<void> {
  const names = projectorNames(subject.config);
  await writeSafetensorsFrom(join(folder, FILES.projector), weightsOf(subject, names.keys()), { format: 'pt' });
}

function projectorNames(config: ReadContext['config']): ShapeTable {
  const norm = [...visionShapes(config.vision)].filter(([name]) => isLnVision(name));
  return new Map([...projectorShapes(config), ...norm]);
}

/** Writes base/, a Hugging Face folder of the language model without adapters, unless published files hold it. */
export async function writeBase(
  subject: ExportSubject,
  folder: string,
  options: Pick<ExportOptions, 'dtype' | 'shardBytes'>,
): Promise<void> {
  if (isOutside(subject, 'llm')) return;
  const path = join(folder, FILES.base);
  await mkdir(path);
  const { config, vocabulary } = subject;
  const weights = weightsOf(subject, llamaShapes(config.llm).keys());
  await writeLlamaFolder(path, { config: config.llm, vocabulary, weights, ...options });
}

/** Writes the tokenizer's files, and vision_config.json, which says all about the image side that its weights do not. */
export async function writeSettings(subject: ExportSubject, folder: string): Promise<void> {
  const { vision, join: joined, llm } = subject.config;
  await writeTokenizer(folder, subject.vocabulary);
  const facts = {
    model_type: vision.layerScale === true ? 'dinov2-vit' : 'eva-vit',
    image_size: vision.imageSize,
    patch_size: vision.patch,
    hidden_size: vision.width,
    num_hidden_layers: vision.depth,
    num_attention_heads: vision.heads,
    intermediate_size: vision.mlpHidden,
    hidden_act: 'gelu',
    layer_norm_eps: vision.eps,
    ln_vision_eps: vision.lnEps,
    qkv_bias: vision.qkvBias ?? false,
    layer_scale: vision.layerScale ?? false,
    joined_tokens: joined,
    projection_dim: llm.width,
  };
  await writeFile(join(folder, 'vision_config.json'), `${JSON.stringify(facts, null, 2)}\n`);
}

/** Adds projector.safetensors. */
export async function addProjector(folder: string, { config }: ReadContext, weights: GatheredWeights): Promise<void> {
  await weights.addFile({ path: join(folder, FILES.projector), expected: projectorNames(config) });
}

/** Adds the tower of vision.safetensors or of the published file; `ln_vision` only where nothing gave it before. */
export async function addVision(folder: string, context: ReadContext, weights: GatheredWeights): Promise<void> {
  if (context.withoutOutside === true && isOutside(context, 'vision')) return;
  const { config, outside } = context;
  const published = outside.find(({ part }) => part === 'vision');
  const anyGrid = published !== undefined;
  await weights.addFile({
    path: published?.path ?? join(folder, FILES.vision),
    expected: new Map([...visionShapes(config.vision)].filter(([name]) => !weights.has(name))),
    ignore: () => true,
    vitDepth: config.vision.depth,
    optional: (name) => anyGrid && isLnVision(name),
    acceptShape: (name, shape) => anyGrid && name === POS_EMBED && shape.length === 3,
  });
}

/** Adds the base language model of base/ or of the published files. */
export async function addBase(folder: string, context: ReadContext, weights: GatheredWeights): Promise<void> {
  const { config, outside } = context;
  if (context.withoutOutside === true && isOutside(context, 'llm')) return;
  const published = outside.find(({ part }) => part === 'llm');
  const known = modelShapes(config);
  const path = published?.path ?? join(folder, FILES.base);
  await weights.addFile({ path, expected: llamaShapes(config.llm), ignore: (name) => known.has(name) });
}

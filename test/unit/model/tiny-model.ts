/** A model small enough for finite arithmetic by hand, and batches for it. */
import type { ModelBatch } from '../../../lib/model/batch.ts';
import type { ModelConfig } from '../../../lib/model/config.ts';
import { createMiniGpt, type MiniGpt } from '../../../lib/model/minigpt.ts';
import { IMAGE_SLOT } from '../../../lib/model/splice.ts';
import { normals } from '../../support/tensors.ts';

export const TINY: ModelConfig = {
  vision: { imageSize: 16, patch: 4, width: 8, depth: 2, heads: 2, mlpHidden: 12, eps: 1e-6, lnEps: 1e-5 },
  join: 4,
  llm: {
    vocabulary: 23,
    width: 16,
    mlpHidden: 20,
    layers: 2,
    heads: 4,
    kvHeads: 2,
    rmsEps: 1e-5,
    ropeBase: 10000,
    tieEmbeddings: false,
  },
  lora: { rank: 3, alpha: 6, dropout: 0, targets: ['q_proj', 'v_proj', 'down_proj'] },
};

/** Visual tokens of one image of the tiny model. */
export const TINY_IMAGE_TOKENS = 4;

/** Weights large enough that every part of the model matters; adapters and projector train. */
export function tinyModel(config: ModelConfig = TINY, trainable = /lora_|llama_proj/): MiniGpt {
  let seed = 1;
  return createMiniGpt({
    config,
    trainable: (name) => trainable.test(name),
    seed: 7,
    source: (name) => {
      const shape = shapeOf(config, name);
      if (shape === undefined) return undefined;
      const next = normals(seed++);
      const size = shape.reduce((a, b) => a * b, 1);
      return { shape, values: Float32Array.from({ length: size }, () => next() * 0.4) };
    },
  });
}

/** B of the adapters, which would start at zero; everything else keeps its random start. */
function shapeOf(config: ModelConfig, name: string): number[] | undefined {
  if (!name.endsWith('lora_B.weight')) return undefined;
  const outputs: Record<string, number> = { q_proj: config.llm.width, down_proj: config.llm.width };
  const head = config.llm.width / config.llm.heads;
  const target = name.split('.').at(-3) ?? '';
  return [outputs[target] ?? head * config.llm.kvHeads, config.lora?.rank ?? 0];
}

/** Rows of token ids; labels are supervised in the last `supervised` places; padding on the right with 0. */
export function tinyBatch(rows: readonly { ids: readonly number[]; supervised: number }[], seed = 3): ModelBatch {
  const T = Math.max(...rows.map(({ ids }) => ids.length));
  const tokenIds = new Int32Array(rows.length * T);
  const labels = new Int32Array(rows.length * T).fill(-100);
  const attentionMask = new Uint8Array(rows.length * T);
  rows.forEach(({ ids, supervised }, b) => {
    tokenIds.set(ids, b * T);
    attentionMask.fill(1, b * T, b * T + ids.length);
    ids.slice(-supervised).forEach((id, i) => {
      labels[b * T + ids.length - supervised + i] = id;
    });
  });
  const images = tokenIds.filter((id) => id === IMAGE_SLOT).length / TINY_IMAGE_TOKENS;
  return { tokenIds, labels, attentionMask, shape: [rows.length, T], pixels: tinyPixels(images, seed) };
}

/** Random bytes of `images` images. */
export function tinyPixels(images: number, seed = 3): Uint8Array {
  const next = normals(seed);
  const { imageSize } = TINY.vision;
  return Uint8Array.from({ length: images * imageSize * imageSize * 3 }, () => Math.abs(Math.round(next() * 90)) % 256);
}

/** A row that begins with an image. */
export function withImage(...ids: number[]): number[] {
  return [1, ...new Array<number>(TINY_IMAGE_TOKENS).fill(IMAGE_SLOT), ...ids];
}

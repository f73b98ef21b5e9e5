/** What `tristage bench memory` measures: an update of models of several sizes, each beside its estimate. */
import type { ModelConfig } from '../../model/config.ts';
import { tokensPerImage } from '../../model/config.ts';
import { preset } from '../../model/presets.ts';
import { IMAGE_SLOT } from '../../model/splice.ts';
import type { StepBatch } from '../../train/step.ts';

/** An update: passes of equal rows, each with one image. */
export interface MemoryCase {
  name: string;
  preset: string;
  rows: number;
  tokens: number;
  /** Supervised tokens at the end of each row. */
  answer: number;
  passes: number;
  recompute: boolean;
  precision: 'float32' | 'bf16';
}

const plain = { passes: 1, recompute: false, precision: 'float32' } as const;

/** Three sizes, and the larger ones again with recompute, in several passes and with frozen weights in bfloat16. */
export const MEMORY_CASES: readonly MemoryCase[] = [
  { name: 'tiny', preset: 'tiny', rows: 24, tokens: 256, answer: 20, ...plain },
  { name: 'smol', preset: 'smol', rows: 2, tokens: 256, answer: 40, ...plain },
  { name: 'mid', preset: 'mid', rows: 4, tokens: 200, answer: 40, ...plain },
  { name: 'mid-recompute', preset: 'mid', rows: 4, tokens: 200, answer: 10, ...plain, recompute: true },
  { name: 'mid-passes', preset: 'mid', rows: 2, tokens: 200, answer: 10, ...plain, passes: 2 },
  { name: 'mid-bf16', preset: 'mid', rows: 2, tokens: 200, answer: 10, ...plain, precision: 'bf16' },
];

/** The model of a case. */
export function modelOf({ preset: name }: MemoryCase): ModelConfig {
  return preset(name);
}

/** A pass of a case: text, the slots of an image, text, the answer. */
export function batchOf(memoryCase: MemoryCase, model: ModelConfig): StepBatch {
  const { rows, tokens, answer } = memoryCase;
  const start = 6;
  const end = start + tokensPerImage(model);
  const places = Array.from({ length: rows * tokens }, (_, i) => i);
  const word = (i: number) => 3 + ((i * 7919) % (model.llm.vocabulary - 3));
  const isImage = (i: number) => i % tokens >= start && i % tokens < end;
  return {
    tokenIds: Int32Array.from(places, (i) => (isImage(i) ? IMAGE_SLOT : word(i))),
    labels: Int32Array.from(places, (i) => (i % tokens >= tokens - answer ? word(i) : -1)),
    attentionMask: new Uint8Array(rows * tokens).fill(1),
    shape: [rows, tokens],
    pixels: new Uint8Array(rows * 3 * model.vision.imageSize ** 2).map((_, i) => i % 251),
  };
}

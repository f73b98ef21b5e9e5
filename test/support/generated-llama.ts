/** Weights of a LLaMA of any size: real bytes of bfloat16, made tensor by tensor. */
import type { HostTensor } from '../../lib/formats/host-tensor.ts';
import { type TensorSource, writeSafetensorsFrom } from '../../lib/formats/safetensors.ts';
import type { LlamaConfig, ModelConfig } from '../../lib/model/config.ts';
import { llamaShapes } from '../../lib/model/shapes.ts';

/** bfloat16 words of small numbers, a pattern that depends on the place in the file. */
function words(count: number, seed: number): Uint8Array {
  const values = new Uint16Array(count);
  // Exponents around 2^-6, so that every value is finite and small
  for (let i = 0; i < count; i++) values[i] = 0x3c00 | ((i * 2654435761 + seed) & 0x80ff);
  return new Uint8Array(values.buffer);
}

/**
 * Writes the weights under Hugging Face's names.
 * @returns bytes of the largest tensor as it stands in the file
 */
export async function writeGeneratedLlama(path: string, config: LlamaConfig): Promise<number> {
  const sources = new Map<string, TensorSource>();
  let largest = 0;
  for (const [name, shape] of llamaShapes(config)) {
    const count = shape.reduce((product, size) => product * size, 1);
    largest = Math.max(largest, 2 * count);
    const seed = sources.size;
    const read = (): HostTensor => ({ dtype: 'BF16', shape: [...shape], bytes: words(count, seed) });
    sources.set(name.replace('llama_model.', ''), { dtype: 'BF16', shape, read });
  }
  await writeSafetensorsFrom(path, sources);
  return largest;
}

/** A whole model around a language model: the least tower that fits. */
export function withLeastTower(llm: LlamaConfig): ModelConfig {
  const vision = { imageSize: 28, patch: 14, width: 16, depth: 1, heads: 2, mlpHidden: 16, eps: 1e-6, lnEps: 1e-5 };
  return { vision, join: 4, llm } as ModelConfig;
}

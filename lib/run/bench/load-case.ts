/** The file of `tristage bench load`: a LLaMA of a given size in bfloat16, as Hugging Face writes it. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { float32ToBfloat16 } from '../../formats/half.ts';
import { type TensorSource, writeSafetensorsFrom } from '../../formats/safetensors.ts';
import type { LlamaConfig } from '../../model/config.ts';
import { llamaShapes, valuesIn } from '../../model/shapes.ts';

/** A model that was written. */
export interface LoadModel {
  /** The file of its weights. */
  file: string;
  /** Of all weights. */
  bytes: number;
}

const LARGE = { width: 2048, mlpHidden: 5632, heads: 16, kvHeads: 16, vocabulary: 32000 };
const SMALL = { width: 128, mlpHidden: 352, heads: 4, kvHeads: 4, vocabulary: 512 };
/** From this size on the weights are those of a large model. */
const LARGE_BYTES = 2 ** 28;
/** Numbers that are drawn; the weights repeat them. */
const DRAWN = 1 << 20;

/** The LLaMA whose weights are nearest to a size. */
export function llamaOfBytes(bytes: number): LlamaConfig {
  const sizes = bytes >= LARGE_BYTES ? LARGE : SMALL;
  const { width, mlpHidden, vocabulary } = sizes;
  const layer = 2 * (4 * width * width + 3 * width * mlpHidden);
  const layers = Math.max(1, Math.round((bytes - 2 * vocabulary * width) / layer));
  return { ...sizes, layers, rmsEps: 1e-5, ropeBase: 10_000, tieEmbeddings: true };
}

/**
 * Writes the model of about so many bytes into a folder.
 * @returns what was written
 */
export async function writeLoadModel(folder: string, wanted: number): Promise<LoadModel> {
  const llm = llamaOfBytes(wanted);
  await writeFile(join(folder, 'config.json'), `${JSON.stringify(settingsOf(llm))}\n`);
  const drawn = new Uint8Array(float32ToBfloat16(noise(DRAWN)).buffer);
  const sources = new Map<string, TensorSource>();
  let bytes = 0;
  for (const [name, shape] of llamaShapes(llm)) {
    const size = 2 * valuesIn(shape);
    bytes += size;
    const fields = { dtype: 'BF16' as const, shape: [...shape] };
    sources.set(name.replace(/^llama_model\./, ''), {
      ...fields,
      read: () => ({ ...fields, bytes: repeated(drawn, size) }),
    });
  }
  const file = join(folder, 'model.safetensors');
  await writeSafetensorsFrom(file, sources, { format: 'pt' });
  return { file, bytes };
}

/** As config.json says it. */
function settingsOf(llm: LlamaConfig): object {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    vocab_size: llm.vocabulary,
    hidden_size: llm.width,
    intermediate_size: llm.mlpHidden,
    num_hidden_layers: llm.layers,
    num_attention_heads: llm.heads,
    num_key_value_heads: llm.kvHeads,
    hidden_act: 'silu',
    rms_norm_eps: llm.rmsEps,
    rope_theta: llm.ropeBase,
    tie_word_embeddings: llm.tieEmbeddings,
    torch_dtype: 'bfloat16',
  };
}

/** Numbers around zero as weights are, by a linear congruential generator. */
function noise(size: number): Float32Array {
  const values = new Float32Array(size);
  let state = 1;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    values[i] = (state / 2 ** 31) * 0.05;
  }
  return values;
}

/** So many bytes of a pattern, again and again. */
function repeated(pattern: Uint8Array, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += pattern.length)
    bytes.set(pattern.subarray(0, Math.min(pattern.length, size - at)), at);
  return bytes;
}

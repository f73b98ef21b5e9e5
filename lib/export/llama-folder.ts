/** A language model as Hugging Face keeps it: config.json, generation_config.json, the tokenizer, and weights in one file or several. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { spelled } from '../checkpoint/names.ts';
import { castFloat, DTYPE_BYTES } from '../formats/host-tensor.ts';
import { type TensorSource, writeSafetensorsFrom } from '../formats/safetensors.ts';
import { headWidth, type LlamaConfig } from '../model/config.ts';
import { valuesIn } from '../model/shapes.ts';
import type { ExportVocabulary } from './format.ts';
import type { ExportOptions } from './request.ts';
import { writeTokenizer } from './tokenizer.ts';

/** Bytes of the largest file of weights; what transformers uses. */
const SHARD_BYTES = 5e9;
/** Positions of LLaMA 2; the maths has no limit, generation elsewhere asks for one. */
const POSITIONS = 4096;
const DTYPE_NAMES = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' } as const;

export interface LlamaFolderRequest extends Pick<ExportOptions, 'dtype' | 'shardBytes'> {
  config: LlamaConfig;
  vocabulary: ExportVocabulary;
  /** By in-memory name; adapters are not among them. */
  weights: ReadonlyMap<string, TensorSource>;
}

/** Fills a folder that `transformers` opens with `LlamaForCausalLM.from_pretrained`. */
export async function writeLlamaFolder(folder: string, request: LlamaFolderRequest): Promise<void> {
  const { config, vocabulary, dtype = 'F32', shardBytes = SHARD_BYTES } = request;
  const { bosId, eosId } = vocabulary.tokenizer;
  await writeJson(join(folder, 'config.json'), {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    vocab_size: config.vocabulary,
    hidden_size: config.width,
    intermediate_size: config.mlpHidden,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: headWidth(config),
    hidden_act: 'silu',
    max_position_embeddings: POSITIONS,
    rms_norm_eps: config.rmsEps,
    rope_theta: config.ropeBase,
    rope_scaling: publishedScaling(config),
    tie_word_embeddings: config.tieEmbeddings,
    attention_bias: false,
    mlp_bias: false,
    attention_dropout: 0,
    initializer_range: 0.02,
    bos_token_id: bosId,
    eos_token_id: eosId,
    pretraining_tp: 1,
    use_cache: true,
    torch_dtype: DTYPE_NAMES[dtype],
  });
  await writeJson(join(folder, 'generation_config.json'), {
    bos_token_id: bosId,
    eos_token_id: eosId,
    do_sample: false,
  });
  await writeTokenizer(folder, vocabulary);
  const sources = new Map([...request.weights].map(([name, source]) => [spelled(name, 'llama'), cast(source, dtype)]));
  await writeShards(folder, sources, shardBytes);
}

/** `rope_scaling` of a config.json. */
function publishedScaling({ ropeScaling }: LlamaConfig): object | null {
  if (ropeScaling === undefined) return null;
  const { type, factor } = ropeScaling;
  // `type` is what versions before 4.43 read
  if (type === 'linear') return { rope_type: type, type, factor };
  return {
    rope_type: type,
    factor,
    low_freq_factor: ropeScaling.lowFrequencyFactor,
    high_freq_factor: ropeScaling.highFrequencyFactor,
    original_max_position_embeddings: ropeScaling.originalPositions,
  };
}

function cast(source: TensorSource, dtype: 'F32' | 'F16' | 'BF16'): TensorSource {
  return { dtype, shape: source.shape, read: async () => castFloat(await source.read(), dtype) };
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(path, `${JSON.stringify(value, null, 2)}\n`);
}

const bytesOf = ({ dtype, shape }: TensorSource): number => valuesIn(shape) * DTYPE_BYTES[dtype];

/** One file where everything fits, else numbered files in the order of the model and an index. */
async function writeShards(
  folder: string,
  sources: ReadonlyMap<string, TensorSource>,
  shardBytes: number,
): Promise<void> {
  const shards = splitShards(sources, shardBytes);
  const metadata = { format: 'pt' };
  if (shards.length === 1) return writeSafetensorsFrom(join(folder, 'model.safetensors'), sources, metadata);
  const five = (count: number): string => String(count).padStart(5, '0');
  const map: Record<string, string> = {};
  for (const [place, shard] of shards.entries()) {
    const name = `model-${five(place + 1)}-of-${five(shards.length)}.safetensors`;
    await writeSafetensorsFrom(join(folder, name), shard, metadata);
    for (const tensor of shard.keys()) map[tensor] = name;
  }
  const total = [...sources.values()].reduce((sum, source) => sum + bytesOf(source), 0);
  const index = { metadata: { total_size: total }, weight_map: map };
  await writeJson(join(folder, 'model.safetensors.index.json'), index);
}

/** Tensors in order, a new shard whenever the next would not fit; a larger tensor has one of its own. */
function splitShards(sources: ReadonlyMap<string, TensorSource>, shardBytes: number): Map<string, TensorSource>[] {
  const shards: Map<string, TensorSource>[] = [];
  let room = 0;
  for (const [name, source] of sources) {
    const bytes = bytesOf(source);
    if (shards.length === 0 || bytes > room) {
      shards.push(new Map());
      room = shardBytes;
    }
    shards.at(-1)?.set(name, source);
    room -= bytes;
  }
  return shards;
}

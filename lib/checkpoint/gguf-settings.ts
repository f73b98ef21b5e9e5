/** The hyper-parameters of a LLaMA in the metadata of its GGUF file (keys: llama.cpp's gguf-py/gguf/constants.py). */

import { withByteFile } from '../formats/file-bytes.ts';
import { GGUF_MAGIC, type GgufFile, openGguf } from '../formats/gguf.ts';
import type { LlamaConfig, RopeScaling } from '../model/config.ts';
import { ggufModelError, ggufNumber } from './gguf-weights.ts';

/**
 * Reads the settings of a GGUF file.
 * @returns undefined when the file is of another kind
 * @throws TristageError E_GGUF, E_GGUF_MODEL, E_FILE_READ
 */
export async function ggufSettings(path: string): Promise<LlamaConfig | undefined> {
  if (!(await isGguf(path))) return undefined;
  const file = await openGguf(path);
  try {
    return settingsOf(file);
  } finally {
    await file.close();
  }
}

async function isGguf(path: string): Promise<boolean> {
  return withByteFile(path, async (file) => {
    if (file.size < 4) return false;
    const start = await file.read(0, 4);
    return new DataView(start.buffer).getUint32(0, true) === GGUF_MAGIC;
  });
}

function settingsOf({ path, metadata, tensors }: GgufFile): LlamaConfig {
  const number = (key: string, fallback?: number): number => ggufNumber(path, metadata, `llama.${key}`, fallback);
  const [width, heads] = [number('embedding_length'), number('attention.head_count')];
  const rotated = number('rope.dimension_count', width / heads);
  if (rotated !== width / heads) {
    throw ggufModelError(path, `heads of ${width / heads}, of which ${rotated} turn`, 'heads that turn as a whole');
  }
  const scaling = ropeScaling({ path, metadata, tensors });
  return {
    vocabulary: tensors.get('token_embd.weight')?.shape[0] ?? number('vocab_size'),
    width,
    mlpHidden: number('feed_forward_length'),
    layers: number('block_count'),
    heads,
    kvHeads: number('attention.head_count_kv', heads),
    rmsEps: number('attention.layer_norm_rms_epsilon'),
    ropeBase: number('rope.freq_base', 10000),
    ...(scaling === undefined ? {} : { ropeScaling: scaling }),
    tieEmbeddings: !tensors.has('output.weight'),
  };
}

function ropeScaling({
  path,
  metadata,
  tensors,
}: Pick<GgufFile, 'path' | 'metadata' | 'tensors'>): RopeScaling | undefined {
  // The converter keeps the outcome of LLaMA 3's scaling as a tensor and drops the numbers that it came from
  if (tensors.has('rope_freqs.weight')) {
    throw ggufModelError(path, 'rope_freqs.weight, frequencies scaled for LLaMA 3', 'unscaled or linear positions');
  }
  const type = metadata.get('llama.rope.scaling.type') ?? 'none';
  if (type === 'none') return undefined;
  if (type !== 'linear') throw ggufModelError(path, `rope scaling ${JSON.stringify(String(type))}`, 'none or linear');
  return { type, factor: ggufNumber(path, metadata, 'llama.rope.scaling.factor') };
}

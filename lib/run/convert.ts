/** `tristage convert`: weights from one container into another, a tensor at a time. */

import { existsSync } from 'node:fs';
import { extname } from 'node:path';
import { detectLayout, meaningOf, spelled } from '../checkpoint/names.ts';
import type { WeightsFile } from '../checkpoint/weights.ts';
import { openWeights } from '../checkpoint/weights-file.ts';
import { TristageError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { castFloat, type HostDtype, isFloatDtype } from '../formats/host-tensor.ts';
import { type TensorSource, writeSafetensorsFrom } from '../formats/safetensors.ts';
import { writeTorchFile } from '../formats/torch-zip-writer.ts';

export interface ConvertRequest {
  /** File or folder of weights. */
  path: string;
  /** The file to write; its extension says which container. */
  out: string;
  /** Every tensor of fractions in this dtype. Default: each as it is, quantised ones as F32. */
  dtype?: 'F32' | 'F16' | 'BF16' | undefined;
  logger: Logger;
}

/** What was written. */
export interface Converted {
  path: string;
  out: string;
  tensors: number;
  /** Tensors whose dtype changed. */
  cast: number;
  /** Names that changed, since GGUF has words of its own. */
  renamed: number;
  /** Values that are no tensors and were left out. */
  others: readonly string[];
}

const WRITERS: Readonly<Record<string, (path: string, sources: Map<string, TensorSource>) => Promise<void>>> = {
  '.safetensors': (path, sources) => writeSafetensorsFrom(path, sources, { format: 'pt' }),
  '.pth': writeTorchFile,
  '.pt': writeTorchFile,
  '.bin': writeTorchFile,
};

function usage(where: string, found: string, expected: string, fix: string): TristageError {
  const message = 'the weights cannot be written there';
  return new TristageError({ kind: 'usage', code: 'E_CONVERT', message, where, found, expected, fix });
}

/**
 * Converts weights; the file appears whole or not at all.
 * @throws TristageError E_CONVERT for an out that exists or has no known extension, and the errors of reader and writer
 */
export async function convertWeights({ path, out, dtype, logger }: ConvertRequest): Promise<Converted> {
  const write = WRITERS[extname(out)];
  if (write === undefined) {
    throw usage(
      out,
      extname(out) || 'no extension',
      Object.keys(WRITERS).join(' '),
      'give --out one of these extensions',
    );
  }
  if (existsSync(out)) throw usage(out, 'a file or folder that is there', 'a new file', 'give another --out');
  const file = await openWeights(path);
  try {
    const sources = new Map<string, TensorSource>();
    let cast = 0;
    let renamed = 0;
    for (const [key, entry] of file.entries) {
      const name = nameOutside(file, key);
      const target = dtype !== undefined && isFloatDtype(entry.dtype) ? dtype : entry.dtype;
      if (target !== entry.dtype || entry.stored !== undefined) cast++;
      if (name !== key) renamed++;
      sources.set(name, { dtype: target, shape: entry.shape, read: () => readAs(file, key, target) });
    }
    for (const other of file.others) logger.warn(`${other} is no tensor and is left out`);
    await write(out, sources);
    return { path, out, tensors: sources.size, cast, renamed, others: file.others };
  } finally {
    await file.close();
  }
}

async function readAs(file: WeightsFile, key: string, dtype: HostDtype) {
  if (dtype === 'F32' && file.readWide !== undefined && isFloatDtype(file.entries.get(key)!.dtype)) {
    return file.readWide(key);
  }
  const tensor = await file.read(key);
  return dtype === 'F32' || dtype === 'F16' || dtype === 'BF16' ? castFloat(tensor, dtype) : tensor;
}

/** Outside of GGUF a LLaMA has Hugging Face's names; every other file keeps its own. */
function nameOutside(file: WeightsFile, key: string): string {
  if (!/^(token_embd|output|output_norm|blk\.\d+\.\w+)\.weight$/.test(key)) return key;
  if (detectLayout(file.entries.keys(), file.path) !== 'gguf') return key;
  const meaning = meaningOf(key, 'gguf');
  return 'name' in meaning && meaning.name !== `llama_model.${key}` ? spelled(meaning.name, 'llama') : key;
}

/** A language model alone on the engine, for benchmarks that ask about no image. */

import { openImport } from '../../checkpoint/import.ts';
import { publishedLlama } from '../../checkpoint/llama-settings.ts';
import { lendBytes } from '../../engine/lend.ts';
import { type Precision, storedIn } from '../../engine/precision.ts';
import { loadMiniGpt, type MiniGpt } from '../../model/minigpt.ts';
import { llamaShapes } from '../../model/shapes.ts';
import { openedWeights } from '../weights.ts';

/** As small as a tower can be. */
const TOWER = { imageSize: 28, patch: 14, width: 8, depth: 1, heads: 1, mlpHidden: 8, eps: 1e-6, lnEps: 1e-6 };

/**
 * Loads a LLaMA by the way that a run takes.
 * @param path folder as Hugging Face writes it
 * @param precision in which its matrices lie on the engine
 */
export async function loadLanguageModel(path: string, precision: Precision): Promise<MiniGpt> {
  const { settings: llm } = (await publishedLlama(path))!;
  const shapes = llamaShapes(llm);
  const stored = (shape: readonly number[]) => storedIn({ precision, shape, frozen: true });
  const dtype = (name: string) => (stored(shapes.get(name) ?? []) === 'bf16' ? 'BF16' : 'F32');
  const weights = openedWeights(await openImport({ path, expected: shapes, dtype, allocate: lendBytes }));
  const names = new Set(weights.names);
  try {
    return await loadMiniGpt({
      config: { vision: TOWER, join: 4, llm },
      source: async (name) => (names.has(name) ? weights.read(name) : undefined),
      storage: (_, shape) => stored(shape),
      trainable: () => false,
      seed: 0,
    });
  } finally {
    await weights.close();
  }
}

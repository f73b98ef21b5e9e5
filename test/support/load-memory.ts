/** How much memory a load takes beside the weights, in a process of its own. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { Precision } from '../../lib/engine/precision.ts';
import type { LlamaConfig } from '../../lib/model/config.ts';
import { testEngine } from './engine.ts';
import { withLeastTower, writeGeneratedLlama } from './generated-llama.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** What a load may take beside the weights, besides two of the largest tensor. */
const ALLOWANCE = 300e6;

/** Writes a model, loads it in a child and holds the child's peak against the promise. */
export async function checkLoadMemory(
  llm: LlamaConfig,
  precision: Precision = 'float32',
): Promise<{ extra: number; limit: number; resident: number }> {
  const file = join(temporaryFolder('tristage-load-'), 'model.safetensors');
  const largest = await writeGeneratedLlama(file, llm);
  const child = join(import.meta.dirname, 'load-child.ts');
  const output = execFileSync(
    process.execPath,
    ['--import', 'tsx', child, file, JSON.stringify(withLeastTower(llm)), testEngine(), precision],
    { encoding: 'utf8' },
  );
  const { before, peak, resident, found, first } = JSON.parse(output);
  assert.equal(found, 3 + 9 * llm.layers - (llm.tieEmbeddings ? 1 : 0));
  assert.ok(first.every((value: number) => value !== 0 && Math.abs(value) < 1));
  assert.ok(peak - before > resident / 2, 'the weights lie in this process');
  return { resident, extra: peak - before - resident, limit: 2 * largest + ALLOWANCE };
}

/** Runs on emoji scenes that are so small that a step takes milliseconds. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { registry } from '../../bin/registry.ts';
import { createLogger, type Logger } from '../../lib/core/log.ts';
import { type ResolvedRun, resolveAll } from '../../lib/run/config.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const TEXT = `version: 1
name: tiny
stage: stage1-pretrain
engine: { backend: torch, device: cpu, threads: 1 }
model:
  vision: { imageSize: 56, patch: 14, width: 16, depth: 1, heads: 2, mlpHidden: 32 }
  llm: { vocabulary: 32000, width: 16, layers: 1, heads: 2, mlpHidden: 32, tieEmbeddings: true }
  lora: { rank: 2, alpha: 4, dropout: 0.1 }
data:
  mixture:
    sources:
      - { source: emoji-scenes, task: identify, count: 64, imageSize: 56, classes: [dog, car, tree] }
      - { source: emoji-scenes, task: refer, count: 64, imageSize: 56, classes: [dog, car, tree] }
  maxTokens: 96
train:
  trainable: [projector, lora, llm]
  steps: 4
  globalBatch: 4
  microBatch: 2
  optimizer: { lr: 5.0e-3 }
  checkpoint: { everySteps: 2, keep: 2 }
eval:
  sources:
    - { source: emoji-scenes, task: identify, split: heldout, count: 64, imageSize: 56, classes: [dog, car, tree] }
  maxNewTokens: { identify: 3 }
`;

/** A new empty folder. */
export function newFolder(): string {
  return temporaryFolder('tristage-scenes-');
}

/** Writes the run file. */
export function tinyFile(): string {
  const file = join(newFolder(), 'tiny.yaml');
  writeFileSync(file, TEXT);
  return file;
}

/**
 * The run.
 * @param set `a.b=c` arguments
 */
export function tinyRun(...set: string[]): ResolvedRun {
  const [run] = resolveAll([tinyFile()], { registry, set });
  if (run === undefined) throw new Error('no run');
  return run;
}

/** A logger that keeps its lines. */
export function keptLines(): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  return { logger: createLogger({ sink: (line) => lines.push(line) }), lines };
}

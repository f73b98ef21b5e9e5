/** What the checkpoints of a run say of the run that it started from. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Ancestor, TrainState } from '../../train/state.ts';
import { RUN_FILES } from '../run-folder.ts';

/** The run that the newest checkpoint of a run says it started from; checkpoints of earlier versions do not say. */
export function parentOf(folder: string): Ancestor | undefined {
  const checkpoints = join(folder, RUN_FILES.checkpoints);
  const newest = Math.max(0, ...stepsIn(checkpoints));
  return readJson<TrainState>(join(checkpoints, `step-${newest}`, 'state.json'))?.lineage?.[0];
}

/**
 * Compares a run folder with what the checkpoints of another one say that it started from.
 * @returns a sentence where it is another run; nothing where that cannot be told, since the checkpoint is gone
 */
export function doubtsOfParent(folder: string, parent: string): string[] {
  const said = parentOf(folder);
  if (said === undefined) return [];
  const manifest = readJson<{ files?: Record<string, { sha256?: string }> }>(
    join(parent, RUN_FILES.checkpoints, `step-${said.step}`, 'manifest.json'),
  );
  const found = manifest?.files?.['model.safetensors']?.sha256;
  if (found === undefined || found === said.model) return [];
  return [
    `it started from other weights than those that ${parent} has at step ${said.step}: that run was trained anew`,
  ];
}

function stepsIn(checkpoints: string): number[] {
  try {
    return readdirSync(checkpoints).flatMap((name) => Number(/^step-(\d+)$/.exec(name)?.[1] ?? []));
  } catch {
    return [];
  }
}

/** A file, or undefined where it is missing or was cut. */
export function readJson<Content>(path: string): Content | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Content;
  } catch {
    return undefined;
  }
}

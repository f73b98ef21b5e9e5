/** Which stages stand behind a model: kept in the state of every checkpoint, so that it stays true when a parent is trained on or removed. */

import { join } from 'node:path';
import type { Checkpoint } from '../checkpoint/store.ts';
import type { RunConfig } from '../config/schema.ts';
import { sha256File } from '../core/hash.ts';
import { type Ancestor, parseState } from '../train/state.ts';

/** A checkpoint as an ancestor of what starts from it. */
export async function ancestorOf({ name, stage, data }: RunConfig, { step, modelFile }: Checkpoint): Promise<Ancestor> {
  const { hash } = await sha256File(modelFile);
  return { name, stage, step, model: hash, sources: [...new Set(data.mixture.sources.map(({ source }) => source))] };
}

/** The runs behind the run that a checkpoint is of, the nearest first. */
export function lineageOf(checkpoint: Checkpoint | undefined): readonly Ancestor[] {
  if (checkpoint === undefined) return [];
  return parseState(checkpoint.state, join(checkpoint.path, 'state.json')).lineage ?? [];
}

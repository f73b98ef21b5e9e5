/** Which weights train: a run names groups, everything else stays frozen. */

import { TristageError } from '../core/errors.ts';
import type { TrainableGroup } from './stage.ts';

/**
 * The group of a weight by its in-memory name.
 * @throws TristageError E_TRAINABLE for a name that belongs to no part of the model
 */
export function groupOf(name: string): TrainableGroup {
  if (name.startsWith('visual_encoder.') || name.startsWith('ln_vision.')) return 'vision';
  if (name.startsWith('llama_proj.')) return 'projector';
  if (name.startsWith('llama_model.')) return /\.lora_[AB]\.weight$/.test(name) ? 'lora' : 'llm';
  throw new TristageError({
    kind: 'failure',
    code: 'E_TRAINABLE',
    message: 'a weight belongs to no group that can train or stay frozen',
    where: name,
    found: name,
    expected: 'a name under visual_encoder, ln_vision, llama_proj or llama_model',
  });
}

/** The question "does this weight train?" for the groups of a run. */
export function trainableIn(groups: readonly TrainableGroup[]): (name: string) => boolean {
  const chosen = new Set(groups);
  return (name) => chosen.has(groupOf(name));
}

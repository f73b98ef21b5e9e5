/** What makes a run this run: the settings that decide what its next step computes. */

import type { RunConfig } from '../config/schema.ts';
import { sha256 } from '../core/hash.ts';

/** Keys of a line of the mixture that say where files lie, not what they hold; the data has a fingerprint of its own. */
const PLACES = ['root', 'annotations', 'images'];
/** Keys that decide neither what is drawn nor what it holds. */
const FREE = new Set([...PLACES, 'badShare']);

/**
 * A hash over model, data, stage and train settings and the precision. The engine beside it, places of files, a feature cache that does not round, checkpoints, evaluation, the budgets of bad samples and skipped steps and the number of steps may change between
 * two parts of a run: they do not make it another run.
 */
export function identityOf(config: RunConfig): string {
  const { engine, model, stage, data, train } = config;
  const { weights: _, preset: __, tokenizer: _tokenizer, ...sizes } = model;
  const { steps: ___, checkpoint: ____, eval: _____, onNonFinite: ______, ...settings } = train;
  const sources = data.mixture.sources.map((line) =>
    Object.fromEntries(Object.entries(line).filter(([key]) => !FREE.has(key))),
  );
  // Absent for float32, so that runs from before there was a choice go on.
  const precision = engine.precision === 'float32' ? {} : { precision: engine.precision };
  const { featureCache, ...drawn } = data;
  // Features as the tower gave them out are the same from a cache or without one; rounded ones are others.
  const rounded = featureCache?.dtype === 'bf16' ? { features: featureCache.dtype } : {};
  return sha256(canonical({ stage, sizes, settings, ...precision, data: { ...drawn, ...rounded, mixture: sources } }));
}

/** JSON with sorted keys, so that the order of a file does not matter. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => {
    if (typeof item !== 'object' || item === null || Array.isArray(item)) return item;
    return Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

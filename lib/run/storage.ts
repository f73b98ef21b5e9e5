/** In which format the weights of a run lie on the engine. */

import type { RunConfig } from '../config/schema.ts';
import { storedIn } from '../engine/precision.ts';
import type { WeightStorage } from '../model/store.ts';
import { groupOf } from '../train/trainable.ts';
import { type Registry, stageOf } from './config.ts';

/** What may lie in bfloat16: projector and adapters are small, and what one stage freezes another one trained in float32. */
const LARGE_GROUPS: readonly string[] = ['vision', 'llm'];

/**
 * The formats of a run's weights. They depend on what the run trains and not on who asks, so that training, evaluation and prediction
 * compute with the same numbers.
 */
export function storageOf({ engine, stage, train }: RunConfig, registry: Registry): WeightStorage {
  const { precision } = engine;
  const trained: readonly string[] = train.trainable ?? stageOf({ stage }, registry).trains;
  return (name, shape) => {
    const group = groupOf(name);
    return storedIn({ precision, shape, frozen: LARGE_GROUPS.includes(group) && !trained.includes(group) });
  };
}

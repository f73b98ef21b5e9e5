/** Weights of a fixture under the names that the model knows. */
import type { HostTensor } from '../../lib/formats/host-tensor.ts';
import type { WeightSource } from '../../lib/model/store.ts';
import { hostWeight } from './fixture.ts';

/** The in-memory name of a published one: PEFT's wrapping and adapter name removed, LLaMA under `llama_model.`. */
export function inMemoryName(published: string): string {
  const bare = published.replace('base_model.model.', '').replace(/\.(lora_[AB])\.default\./, '.$1.');
  return /^(model|lm_head)\./.test(bare) ? `llama_model.${bare}` : bare;
}

/** @returns a source that fails, naming the weight, when the fixture lacks one that the model asks for */
export function weightSource(weights: ReadonlyMap<string, HostTensor>): WeightSource {
  const byName = new Map([...weights].map(([name, tensor]) => [inMemoryName(name), tensor]));
  return (name) => {
    const tensor = byName.get(name);
    if (tensor === undefined) throw new Error(`the fixture has no weight '${name}'`);
    return hostWeight(tensor);
  };
}

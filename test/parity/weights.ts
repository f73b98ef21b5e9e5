/** Weights of a fixture under the names that the model knows. */
import { detectLayout, meaningOf } from '../../lib/checkpoint/names.ts';
import type { HostTensor } from '../../lib/formats/host-tensor.ts';
import type { WeightSource } from '../../lib/model/store.ts';
import { hostWeight } from './fixture.ts';

/** Weights by the fixture's spelling, and how to find one by the model's. */
export interface FixtureWeights {
  /** Names as the fixture spells them. */
  published: readonly string[];
  /** The model's name for one of them; undefined for what no model here needs. */
  inMemory(published: string): string | undefined;
  /** Fails, naming the weight, when the fixture lacks one that the model asks for. */
  source: WeightSource;
}

export function fixtureWeights(weights: ReadonlyMap<string, HostTensor>): FixtureWeights {
  const layout = detectLayout(weights.keys(), 'weights of the fixture');
  const inMemory = (published: string) => {
    const meaning = meaningOf(published, layout);
    return 'name' in meaning ? meaning.name : undefined;
  };
  const byName = new Map([...weights].map(([name, tensor]) => [inMemory(name), tensor]));
  return {
    published: [...weights.keys()],
    inMemory,
    source: (name) => {
      const tensor = byName.get(name);
      if (tensor === undefined) throw new Error(`the fixture has no weight '${name}'`);
      return hostWeight(tensor);
    },
  };
}

/** Variables under the fixture's own names. */
export function byPublishedName<T>(
  { published, inMemory }: FixtureWeights,
  values: ReadonlyMap<string, T>,
): Map<string, T> {
  const named = new Map<string, T>();
  for (const name of published) {
    const value = values.get(inMemory(name) ?? '');
    if (value !== undefined) named.set(name, value);
  }
  return named;
}

/**
 * An order for samples that lie in shards, such as tars: shards are permuted, and samples within windows of a few shards, so that
 * only so many files are read at a time. The order of an epoch is found from the sizes of the shards; no list of samples is made.
 */

import { permutation, permuted, type RandomStream } from '../core/rng.ts';

/** How samples lie in shards. */
export interface Shards {
  /** Index of the first sample of each shard, ascending from 0. */
  starts: readonly number[];
  /** Samples of all shards. */
  length: number;
  /** Shards that are mixed with each other. */
  window: number;
}

/**
 * The order of one epoch.
 * @param random its keys choose the order
 * @returns for each place 0..length-1 the index of its sample; every index comes once
 */
export function windowOrder({ starts, length, window }: Shards, random: RandomStream): (place: number) => number {
  const order = starts.map((_, place) => place).map(permutation(starts.length, random));
  const sizeOf = (shard: number): number => (starts[shard + 1] ?? length) - (starts[shard] as number);
  /** Place of the first sample of each shard of the order, as if shards were read one behind the other. */
  const places: number[] = [];
  let before = 0;
  for (const shard of order) {
    places.push(before);
    before += sizeOf(shard);
  }
  const shardAt = (place: number): number => lastAtMost(places, place);
  return (place) => {
    const first = shardAt(place) - (shardAt(place) % window);
    const from = places[first] as number;
    const to = places[first + window] ?? length;
    const moved = from + permuted(place - from, to - from, random.child(first));
    const within = shardAt(moved);
    return (starts[order[within] as number] as number) + moved - (places[within] as number);
  };
}

/** The last place whose value is at most the wanted one; values ascend from 0. */
function lastAtMost(values: readonly number[], wanted: number): number {
  let low = 0;
  let high = values.length;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if ((values[middle] as number) <= wanted) low = middle;
    else high = middle;
  }
  return low;
}

/** How well an order mixes shards. */
export interface Mixing {
  /** Share of the pairs of neighbours that come from one shard; a full shuffle has about one in the number of shards. */
  sameShard: number;
  /** Different shards among so many samples in a row, on average. */
  shardsOfBatch: number;
  /** Most files that are open at a time, when each is closed behind its last sample. */
  openShards: number;
}

/**
 * Measures the order of an epoch.
 * @param order index of the sample at each place
 * @param batch samples in a row of which the shards are counted
 */
export function measureMixing(order: readonly number[], { starts }: Pick<Shards, 'starts'>, batch: number): Mixing {
  const shards = order.map((index) => lastAtMost(starts, index));
  const pairs = shards.slice(1).filter((shard, place) => shard === shards[place]).length;
  let different = 0;
  const batches = Math.floor(shards.length / batch);
  for (let number = 0; number < batches; number++) {
    different += new Set(shards.slice(number * batch, (number + 1) * batch)).size;
  }
  const last = new Map(shards.map((shard, place) => [shard, place]));
  const open = new Set<number>();
  let most = 0;
  for (const [place, shard] of shards.entries()) {
    open.add(shard);
    most = Math.max(most, open.size);
    if (last.get(shard) === place) open.delete(shard);
  }
  return {
    sameShard: pairs / Math.max(1, shards.length - 1),
    shardsOfBatch: different / Math.max(1, batches),
    openShards: most,
  };
}

/** Sums of what a feature cache did, and how they are told. */

import type { FeatureCounts } from '../core/feature-counts.ts';

/** Of a cache that was not used yet. */
export const NO_COUNTS: FeatureCounts = { hits: 0, misses: 0, corrupt: 0, evicted: 0, unstored: 0 };

/** Both together. */
export function addCounts(a: FeatureCounts, b: FeatureCounts): FeatureCounts {
  return combined(a, b, 1);
}

/** What `after` has more than `before`. */
export function countsBetween(before: FeatureCounts, after: FeatureCounts): FeatureCounts {
  return combined(after, before, -1);
}

function combined(a: FeatureCounts, b: FeatureCounts, sign: 1 | -1): FeatureCounts {
  return {
    hits: a.hits + sign * b.hits,
    misses: a.misses + sign * b.misses,
    corrupt: a.corrupt + sign * b.corrupt,
    evicted: a.evicted + sign * b.evicted,
    unstored: a.unstored + sign * b.unstored,
  };
}

/** Share of images whose features were in the cache; 1 where there were no images. */
export function hitShare({ hits, misses }: FeatureCounts): number {
  return hits + misses === 0 ? 1 : hits / (hits + misses);
}

/** The counts in a line for people; what did not happen is not said. */
export function describeCounts(counts: FeatureCounts): string {
  const { hits, misses, corrupt, evicted, unstored } = counts;
  const rest = [
    [corrupt, 'damaged entries replaced'],
    [evicted, 'old entries removed'],
    [unstored, 'not stored, for lack of room'],
  ] as const;
  const told = rest.filter(([count]) => count > 0).map(([count, what]) => `; ${count} ${what}`);
  return `${hits} of ${hits + misses} images from the cache, ${misses} computed${told.join('')}`;
}

/** What the cache of visual features did, for whoever counts, records or shows it. */
export interface FeatureCounts {
  /** Different images of a batch whose features were there. */
  hits: number;
  /** Those that the tower had to see. */
  misses: number;
  /** Entries that were damaged, and then computed anew. */
  corrupt: number;
  /** Entries that gave way to others. */
  evicted: number;
  /** Entries that found no room or could not be written. */
  unstored: number;
}

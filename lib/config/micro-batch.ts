/** `train.microBatch` as a number, where the file gives one. */

/** @returns undefined where it is left out or `auto` */
export function fixedMicroBatch({ microBatch }: { microBatch?: number | 'auto' | undefined }): number | undefined {
  return microBatch === 'auto' ? undefined : microBatch;
}

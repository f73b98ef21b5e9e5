/** What `tristage verify` says of what it proved. */

/** What was proved. */
export interface Verified {
  kind: 'export';
  path: string;
  format: string;
  /** Files and tensors whose hashes are right. */
  files: number;
  tensors: number;
  /** Files that are not part of it. */
  strangers: readonly string[];
  maxAbsLogitDiff: number;
  /** Largest difference that is accepted. */
  accepted: number;
  engine: string;
}

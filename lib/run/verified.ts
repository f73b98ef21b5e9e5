/** What `tristage verify` says of what it proved. */

import type { TensorFacts } from '../checkpoint/survey.ts';

/** What was proved. */
export type Verified = VerifiedExport | VerifiedCheckpoint | VerifiedWeights;

/** Weights that were read from the first tensor to the last. */
export interface VerifiedWeights {
  kind: 'weights';
  path: string;
  /** Who wrote the names; null where no known program did. */
  layout: string | null;
  tensors: readonly TensorFacts[];
  /** Values among the weights that are no tensors. */
  others: readonly string[];
  /** Bytes of all tensors as they are read. */
  bytes: number;
  /** Tensors with values that are infinite or no number. */
  notFinite: number;
  /** Settings of a published language model. */
  llama?: object | undefined;
}

/** A checkpoint whose files are what its manifest says. */
export interface VerifiedCheckpoint {
  kind: 'checkpoint';
  path: string;
  /** Updates done. */
  step: number;
  /** Its weights. */
  tensors: readonly TensorFacts[];
  /** Weights that the optimizer has moments of. */
  trained: number;
  /** Tensors with values that are infinite or no number. */
  notFinite: number;
  /** Files that are not part of it. */
  strangers: readonly string[];
}

/** An export whose proof holds. */
export interface VerifiedExport {
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

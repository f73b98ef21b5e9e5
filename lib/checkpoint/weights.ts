/** Open weights of any container: what the readers give and the import takes. */

import type { HostDtype, HostTensor } from '../formats/host-tensor.ts';

/** What is known of a tensor before it is read. */
export interface WeightEntry {
  readonly dtype: HostDtype;
  readonly shape: readonly number[];
  /** The file that holds it. */
  readonly file: string;
  /** How it is quantised in the file, where that is another type than it is read as. */
  readonly stored?: string;
}

/** An open file or folder of weights. */
export interface WeightsFile {
  /** What was opened. */
  readonly path: string;
  /** By the file's own names. */
  readonly entries: ReadonlyMap<string, WeightEntry>;
  /** Values among the weights that are no tensors, by name. */
  readonly others: readonly string[];
  read(name: string): Promise<HostTensor>;
  /** A tensor of fractions as F32, with less memory than reading and widening it takes. */
  readWide?(name: string): Promise<HostTensor>;
  close(): Promise<void>;
}

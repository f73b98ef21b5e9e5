/** What an export is asked for and refers to, in plain values that programs outside know too. */

/** How a format may be asked to write. A format takes some of them; `takes` says which. */
export interface ExportOptions {
  /** Type of the language model's weights, or of every weight. Default F32. */
  dtype?: 'F32' | 'F16' | 'BF16' | undefined;
  /** Largest file of weights in bytes. Default 5e9. */
  shardBytes?: number | undefined;
  /** How adapters are spelled: `plain` as PEFT 0.2, `default` as PEFT 0.3 and later in memory. Default plain. */
  loraKeys?: 'plain' | 'default' | undefined;
}

/** Parts of the model that a run may have taken unchanged from published files. */
export type OutsideName = 'vision' | 'llm';

/** A published part: an export refers to it by hash instead of holding it. */
export interface OutsidePart {
  part: OutsideName;
  /** File or folder as the run names it. */
  path: string;
  /** The files of weights behind the path. */
  files: readonly { name: string; sha256: string; bytes: number }[];
}

/** Where published parts lie now, where that is not the place that the manifest names. */
export type OutsidePlaces = Readonly<Partial<Record<OutsideName, string>>>;

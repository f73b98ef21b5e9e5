/**
 * What an export format is. A format is one file of this folder (peft.ts, merged.ts, ...) that exports an {@link ExportFormat};
 * formats.ts lists them all. `exportModel` (export.ts) does what is common: a temporary folder, the manifest with shapes and hashes,
 * the README, reloading, comparing logits, publishing. So a format only
 *   - writes its files into an empty folder (`write`), with the help of companions.ts for what several formats share;
 *   - opens a model in such a folder and nothing else (`open`): what `write` knew and `open` needs goes into `settings`, which
 *     the manifest keeps;
 *   - says in Markdown how other programs load the folder (`usage`).
 * Weights have their in-memory names here (lib/checkpoint/names.ts spells them otherwise).
 */

import type { Tokenizer } from '../data/tokenizer.ts';
import type { TokenizerFile } from '../data/tokenizer-file.ts';
import type { TensorSource } from '../formats/safetensors.ts';
import type { ModelConfig } from '../model/config.ts';
import type { HostWeight } from '../model/store.ts';
import type { ExportOptions, OutsidePart } from './request.ts';

/** The model that is exported. */
export interface ExportSubject {
  config: ModelConfig;
  /** Every weight in float32, fetched only when it is read. */
  weights: ReadonlyMap<string, TensorSource>;
  /** Parts that are in published files; any other part must be in the export. */
  outside: readonly OutsidePart[];
  /** A file of this project's own with the whole vision tower in the model's shapes: copied as it is. Absent: written from `weights`. */
  visionFile?: string | undefined;
  vocabulary: ExportVocabulary;
}

/** Which pieces the model knows. */
export interface ExportVocabulary {
  /** LLaMA's own tokenizer, or the one of `file`. */
  whole: Tokenizer;
  /** Ids of `whole` that the model kept, ascending: its token n is the n-th of them. Absent: all. */
  kept?: readonly number[] | undefined;
  /** The tokenizer of the model: `whole`, or the one over the kept pieces. */
  tokenizer: Tokenizer;
  /** The files that the tokenizer was read from, which an export holds as they are. Absent: LLaMA's own tokenizer. */
  file?: TokenizerFile | undefined;
}

/** One tensor of a file; the hash is that of its bytes. */
export interface TensorRecord {
  dtype: string;
  shape: number[];
  sha256: string;
}

/** What `write` says of what it wrote. */
export interface Written {
  /**
   * Largest difference of logits that is accepted after reloading, as a share of the largest logit (at least 1). 1e-5 where weights are
   * stored as they are, 1e-4 where they were computed with; wider for half precision.
   */
  tolerance: number;
  /** What `open` needs besides the files; JSON. */
  settings: Readonly<Record<string, unknown>>;
}

/** What `open` may use besides the folder. */
export interface ReadContext {
  /** Sizes of the model that was exported, adapters included. */
  config: ModelConfig;
  settings: Readonly<Record<string, unknown>>;
  /** Published parts, whose files were checked. */
  outside: readonly OutsidePart[];
  /** Leave the published parts out, for a reader that has them from elsewhere. */
  withoutOutside?: boolean | undefined;
}

/** A model as an export holds it: its files are open and fit, its tensors are read when they are asked for. The caller closes it. */
export interface ReloadedModel {
  /** As the export is: without adapters where they are merged. */
  config: ModelConfig;
  /** Every weight of `config`, or all that are not in published parts. */
  names: ReadonlySet<string>;
  /** One of the names, in fresh memory; undefined for any other. */
  read(name: string): Promise<HostWeight | undefined>;
  close(): Promise<void>;
}

export interface ExportFormat {
  readonly name: string;
  /** One line for help and README. */
  readonly summary: string;
  /** Adapters become part of the language model, so that a reader finds none. */
  readonly merges?: true;
  /** `usage` leaves `folder`, `model`, `tokenizer` and `load_file` in Python, so that the README can go on and ask the model. */
  readonly transformers?: true;
  /** Options that it takes; any other is refused. */
  readonly takes: readonly (keyof ExportOptions)[];
  /**
   * Writes the files of the format.
   * @param folder exists and is empty; `manifest.json`, `README.md` and `parity.safetensors` are not the format's
   * @throws TristageError E_EXPORT_FORMAT for a model that the format cannot hold
   */
  write(subject: ExportSubject, folder: string, options: ExportOptions): Promise<Written>;
  /** Opens what `write` wrote, from the files alone. */
  open(folder: string, context: ReadContext): Promise<ReloadedModel>;
  /** Markdown for the README: the lines that load the folder in other programs. */
  usage(subject: Pick<ReadContext, 'config' | 'outside' | 'settings'>): string;
  /**
   * Tensors in files that are neither `.safetensors` nor `.pth` (those are described without help): by file name, then by the name in
   * that file. The hash is that of the tensor's bytes in row-major order as the file holds them.
   */
  describe?(folder: string): Promise<Readonly<Record<string, Readonly<Record<string, TensorRecord>>>>>;
}

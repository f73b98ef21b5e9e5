/** What both sides of `tristage bench generate` are told. */

/** Prompts and how far they are continued; written to a file that both sides read. */
export interface GenerateCase {
  /** Folder of a LLaMA as Hugging Face writes it. */
  weights: string;
  threads: number;
  /** Token ids of each row; shorter rows are padded on the left. */
  prompts: number[][];
  /** Tokens that every row is continued by: no row ends early. */
  newTokens: number;
}

/** One continuation of all prompts. */
export interface Continued {
  seconds: number;
  /** User and system time of all threads. */
  cpu: number;
  /** The new tokens of each row. */
  tokens: number[][];
}

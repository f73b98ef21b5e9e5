/** What an inspection is made from: samples as training sees them, read beforehand, so that the page is a pure function of it. */

import type { PictureBox } from '../html/report.ts';

/** A token of a text; places count from 0 in the example. */
export interface TextToken {
  readonly kind: 'text' | 'byte' | 'special';
  readonly id: number;
  /** As the vocabulary writes it. */
  readonly piece: string;
  /** What it stands for where the vocabulary writes bytes as letters. */
  readonly text?: string;
  /** Of parts of a character: their bytes, `E2 82`. */
  readonly bytes?: string;
  /** The characters that end with these bytes. */
  readonly ends?: string;
  /** Whether it is trained to be predicted. */
  readonly supervised: boolean;
  /** How much its loss counts, where that is not 1. */
  readonly weight?: number;
}

/** Places of image features. */
export interface ImageSlots {
  readonly kind: 'image';
  readonly slots: number;
}

export type ShownToken = TextToken | ImageSlots;

/** A box that a text names. */
export interface TextBox {
  readonly phrase: string;
  /** Fractions, as the text has them. */
  readonly box: PictureBox;
  readonly in: 'question' | 'answer';
}

export interface InspectedSample {
  /** On the page, from 1. */
  readonly number: number;
  readonly id: string;
  /** Place of its line in the mixture, from 1. */
  readonly line: number;
  readonly source: string;
  /** Among the samples of the source, from 0. */
  readonly index: number;
  /** How often the source was gone through before. */
  readonly epoch: number;
  readonly task: string;
  /** Place among the pictures, from 0. */
  readonly picture?: number;
  /** Whole texts, before anything is cut. */
  readonly turns: readonly { readonly prompt: string; readonly answer: string }[];
  readonly boxes: readonly TextBox[];
  readonly tokens: readonly ShownToken[];
  /** Tokens of the example, visual ones included, and how many of them are trained. */
  readonly length: number;
  readonly supervised: number;
  /** Tokens that were cut off at its end. */
  readonly cut: number;
  /** What is odd about it. */
  readonly notes: readonly string[];
}

/** Places of a row that belong together: the prefix of a group, or what one example has for itself. */
export interface RowSpan {
  readonly kind: 'prefix' | 'branch';
  /** From 0; spans of one group follow each other, its prefix first. */
  readonly group: number;
  readonly from: number;
  /** Behind the last. */
  readonly to: number;
  /** Task and id of the example; absent for a prefix. */
  readonly task?: string;
  readonly id?: string;
  /** Its number where it is shown. */
  readonly sample?: number;
}

/** A stretch of places of one kind. */
export interface RowPart {
  readonly kind: 'image' | 'prompt' | 'supervised';
  readonly from: number;
  readonly to: number;
}

export interface InspectedRow {
  readonly step: number;
  /** Place in the global batch, from 0. */
  readonly row: number;
  /** Tokens in it. */
  readonly length: number;
  /** Where examples share rows: how many tokens there is room for, who sees whom, and what stands where. */
  readonly packed?: {
    readonly room: number;
    readonly spans: readonly RowSpan[];
    readonly parts: readonly RowPart[];
  };
  /** Shown ones; a row may hold others. */
  readonly samples: readonly InspectedSample[];
}

export interface InspectedPicture {
  readonly name: string;
  /** Pixels of the original. */
  readonly width: number;
  readonly height: number;
  /** `data:` URI of the square that the model sees. */
  readonly uri: string;
}

export interface InspectedLine {
  /** From 1. */
  readonly place: number;
  readonly source: string;
  readonly task: string;
  /** Samples that the source has. */
  readonly samples: number;
  /** Planned share of the samples, 0..1. */
  readonly share: number;
  /** How often each sample comes in the whole run, on average. */
  readonly epochs: number;
  /** Whether its samples are shown. */
  readonly shown: boolean;
  /** What the steps that were read hold of it. */
  readonly drawn: {
    readonly samples: number;
    readonly tokens: number;
    readonly supervised: number;
    /** Samples by task. */
    readonly tasks: Readonly<Record<string, number>>;
  };
}

/** A sample that gave way to another. */
export interface ReplacedSample {
  readonly step: number;
  readonly source: string;
  readonly index: number;
  readonly code: string;
  readonly where: string;
  readonly cause: string;
}

/** Rows that a source did not take over. */
export interface LeftOutSamples {
  readonly source: string;
  readonly leftOut: number;
  readonly cause: string;
  readonly where: readonly string[];
}

export interface Inspection {
  readonly run: { readonly name: string; readonly stage: string; readonly file: string };
  readonly settings: {
    readonly imageSize: number;
    readonly transform: string;
    /** Language tokens of one image. */
    readonly imageTokens: number;
    /** Longest example. */
    readonly maxTokens: number;
    /** Longest packed row; absent where each example has a row. */
    readonly rowTokens?: number;
    /** Pieces of the tokenizer, and how many of all they are. */
    readonly vocabulary: number;
    readonly weighting: string;
  };
  readonly lines: readonly InspectedLine[];
  /** Steps that were read, ascending, from 0. */
  readonly steps: readonly number[];
  /** Of all rows of these steps. */
  readonly batch: { readonly rows: number; readonly samples: number; readonly tokens: number; readonly fill: number };
  readonly rows: readonly InspectedRow[];
  readonly pictures: readonly InspectedPicture[];
  readonly replaced: readonly ReplacedSample[];
  readonly leftOut: readonly LeftOutSamples[];
  readonly notes: readonly string[];
}

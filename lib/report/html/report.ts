/** What a report is made from: everything that a page shows, read from run folders beforehand, so that the page is a pure function of it. */

import type { RunEvent } from '../events.ts';

/** A figure with the number of questions behind it and its 95 % interval. */
export interface Estimate {
  readonly value: number;
  readonly n: number;
  readonly low: number;
  readonly high: number;
}

/** Figures by name in the order in which they are shown: a task, or a detail of one such as `vqa.count`. */
export type Figures = Readonly<Record<string, Estimate>>;

/** What stands beside a model so that its figures mean something. */
export const CONTROLS = ['chance', 'untrained', 'shuffled'] as const;
export type Control = (typeof CONTROLS)[number];

/** What a run reached on questions that it was not trained on. */
export interface ReportedEvaluation {
  readonly step: number;
  /** `training`: asked while it trained, so that there are no controls. */
  readonly origin: 'evaluation' | 'training';
  readonly model: Figures;
  readonly controls: Readonly<Partial<Record<Control, Figures>>>;
}

/** One line of a mixture over the whole run; shares 0..1. */
export interface MixtureLine {
  readonly source: string;
  readonly task: string;
  /** Tells it from other lines of the same source and task. */
  readonly part?: string;
  readonly planned: number;
  readonly samples: number;
  readonly tokens: number;
  readonly sampleShare: number;
  readonly tokenShare: number;
  readonly tasks: Readonly<Record<string, { readonly samples: number; readonly tokens: number }>>;
}

/** One run. */
export interface ReportedRun {
  readonly name: string;
  readonly stage: string;
  /** As the user wrote it. */
  readonly folder: string;
  readonly finished: boolean;
  /** Updates done and planned. */
  readonly step: number;
  readonly steps: number;
  /** Seconds of training. */
  readonly seconds: number;
  readonly samplesPerSecond: number;
  readonly events: readonly RunEvent[];
  readonly mixture: readonly MixtureLine[];
  readonly evaluation?: ReportedEvaluation | undefined;
  /** Versions, engine, hashes: name and value. */
  readonly facts: readonly (readonly [string, string])[];
  /** The resolved run file. */
  readonly config: string;
  /** Its values by dotted path. */
  readonly settings: ReadonlyMap<string, string>;
  readonly warnings: readonly string[];
}

/** A run with those that it started from, the first in time first. */
export interface ReportedChain {
  readonly label: string;
  /** At least one. */
  readonly runs: readonly ReportedRun[];
}

/** x1, y1, x2, y2 as fractions of the image. */
export type PictureBox = readonly [number, number, number, number];

export interface NamedPictureBox {
  readonly name: string;
  readonly box: PictureBox;
}

/** An answer of one of the runs of a gallery. */
export interface ShownAnswer {
  readonly text: string;
  readonly boxes: readonly NamedPictureBox[];
  /** How right it is, 0..1; absent where nothing says so. */
  readonly score?: number | undefined;
  /** A word on the score, such as `IoU 0.62`. */
  readonly note?: string | undefined;
}

export interface ShownQuestion {
  readonly task: string;
  readonly question: string;
  readonly reference: string;
  readonly truth: readonly NamedPictureBox[];
  /** In the order of the gallery's `answeredBy`; undefined where that run was not asked. */
  readonly answers: readonly (ShownAnswer | undefined)[];
}

export interface ShownImage {
  /** `data:` URI. */
  readonly uri: string;
  readonly width: number;
  readonly height: number;
}

export interface ShownScene {
  readonly id: string;
  readonly source: string;
  readonly image?: ShownImage | undefined;
  readonly questions: readonly ShownQuestion[];
}

/** Held-out scenes with what was asked of them and what was answered. */
export interface Gallery {
  /** Names of the runs that answered; the last is the one whose boxes are drawn. */
  readonly answeredBy: readonly string[];
  readonly scenes: readonly ShownScene[];
  /** What is missing and why. */
  readonly notes: readonly string[];
}

/** A page: one chain in full, or several compared. */
export interface Report {
  readonly chains: readonly ReportedChain[];
  readonly gallery?: Gallery | undefined;
}

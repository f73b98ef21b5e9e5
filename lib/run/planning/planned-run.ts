/** What a plan says. */

import type { RunPlan } from '../../train/plan.ts';
import type { SourceFacts, StepFacts } from './measure.ts';
import type { PlannedMemory } from './micro-batch.ts';
import type { PlannedSpeed } from './speed.ts';

/** One line of the mixture. */
export interface SourcePlan extends SourceFacts {
  source: string;
  task: string;
  /** Tells it from other lines of the same source and task. */
  part?: string;
  rows: number;
  rate: number;
  cap?: number | undefined;
  /** Planned share of all samples of the run, 0..1. */
  share: number;
  /** Samples drawn in the whole run. */
  samples: number;
  /** How often a sample comes, on average, and at most. */
  epochs: number;
  repeats: number;
}

/** What the whole run comes to. */
export interface RunTotals {
  steps: number;
  samples: number;
  /** Passes of an image through the vision tower. */
  images: number;
  /** Tokens of the rows, padding not counted. */
  tokens: number;
}

/** All of a run. */
export interface PlannedRun extends PlannedMemory {
  file: string;
  name: string;
  stage: string;
  plan: RunPlan;
  totals: RunTotals;
  /** Absent where no texts are trained. */
  sources?: SourcePlan[];
  /** A step on average, as a few of them are; absent where no texts are trained. */
  step?: StepFacts;
  /** Most tokens of a packed row; absent where rows are not packed. */
  packedRow?: number;
  disk: { checkpointBytes: number; kept: number; bytes: number };
  /** Absent where nobody said how fast the run is. */
  duration?: PlannedSpeed & { seconds: number };
  /** All this for people. */
  lines: string[];
}

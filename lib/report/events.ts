/** events.jsonl: one JSON object a line, in the order in which things happened. The file is the record of a run's training. */

import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { writeFileAtomic } from '../core/atomic.ts';
import { TristageError } from '../core/errors.ts';
import type { FeatureCounts } from '../core/feature-counts.ts';

/** Loss of the examples of one task within a step. */
export interface TaskLoss {
  /** Mean over supervised tokens, in nats. */
  loss: number;
  /** Supervised tokens. */
  tokens: number;
}

/** What one line of the mixture gave of one task. */
export interface DrawnShare {
  /** Index of the line. */
  line: number;
  task: string;
  samples: number;
  /** Supervised tokens. */
  tokens: number;
}

/** One update of the parameters. */
export interface StepEvent {
  event: 'step';
  /** Updates done, this one included: the first is 1. */
  step: number;
  /** Mean over the supervised tokens of the global batch, in nats. */
  loss: number;
  lr: number;
  /** Norm of all gradients together before clipping. */
  gradNorm: number;
  tasks: Readonly<Record<string, TaskLoss>>;
  /** Supervised tokens. */
  tokens: number;
  /** Absent without `data.featureCache`. */
  features?: FeatureCounts | undefined;
  /** What the update was made of; absent where no texts are trained. */
  drawn?: readonly DrawnShare[];
  samplesPerSecond: number;
  /** Share of the step's time that went into waiting for data. */
  dataWait: number;
  /** Wall time of the step. */
  seconds: number;
  /** Main memory that the process held after the step; absent in files of earlier versions. */
  residentBytes?: number;
}

/** A vision tower measured on images that it is not trained on. */
export interface PatchEvent {
  event: 'patches';
  /** Updates done. */
  step: number;
  images: number;
  patches: number;
  /** Patches that an object covers. */
  covered: number;
  /** Share of all patches, and of the covered ones, whose class is right. */
  all: number;
  foreground: number;
  /** Mean overlap of predicted and true boxes over covered patches. */
  boxOverlap: number;
}

/** An update that was left out, since its loss or a gradient was not finite; the weights stayed as they were. */
export interface SkipEvent {
  event: 'skip';
  /** Updates done, this one included. */
  step: number;
  fault: 'loss' | 'gradient';
  /** Folder of the dumped batch, relative to the run folder. */
  dump: string;
  lr: number;
  seconds: number;
  /** Absent without `data.featureCache`. */
  features?: FeatureCounts | undefined;
}

/** The model questioned during training. */
export interface EvaluationEvent {
  event: 'evaluation';
  /** Updates done. */
  step: number;
  /** By name: tasks, and details such as `vqa.count`; each with its number of questions and its 95 % interval. */
  figures: Readonly<Record<string, { value: number; n: number; low: number; high: number }>>;
  seconds: number;
  /** Absent without `data.featureCache`. */
  features?: FeatureCounts | undefined;
  /** Set where this step's model is the best so far by the run's metric. */
  best?: { step: number; metric: string; value: number; checkpoint: string };
}

/** A step did not fit the memory and was done again from its start in smaller passes, as all later ones are. */
export interface MicroBatchEvent {
  event: 'micro-batch';
  /** Updates done, that step included. */
  step: number;
  /** Examples of a pass, before and since. */
  from: number;
  to: number;
  /** What the engine said. */
  why: string;
}

/** A line of events.jsonl. */
export type RunEvent =
  | { event: 'start'; step: number; resumed: boolean; engine: string; device: string }
  | StepEvent
  | PatchEvent
  | SkipEvent
  | EvaluationEvent
  | MicroBatchEvent
  | { event: 'checkpoint'; step: number; path: string; seconds: number }
  /** At the end of a part of the run, what the cache of features did in all parts so far. */
  | { event: 'interrupted'; step: number; features?: FeatureCounts | undefined }
  | { event: 'end'; step: number; seconds: number; features?: FeatureCounts | undefined };

/** Receives events; `close` ends the file. */
export interface EventLog {
  write(event: RunEvent): void;
  close(): void;
}

/**
 * Opens the event file of a run. Steps after `resumeFrom` are dropped: they happened after the checkpoint that the run goes on
 * from, and will happen again.
 * @param path events.jsonl
 * @param resumeFrom the step of the checkpoint; 0 starts the file anew
 */
export async function openEventLog(path: string, resumeFrom: number): Promise<EventLog> {
  const kept = existsSync(path) && resumeFrom > 0 ? readEvents(path).filter(({ step }) => step <= resumeFrom) : [];
  await writeFileAtomic(path, kept.map((event) => `${JSON.stringify(event)}\n`).join(''));
  const file = openSync(path, 'a');
  return {
    write: (event) => void writeSync(file, `${JSON.stringify({ ...event, time: new Date().toISOString() })}\n`),
    close: () => closeSync(file),
  };
}

/**
 * The events of a run. A last line without newline was cut by a crash and is left out.
 * @throws TristageError E_EVENTS for a whole line that is not an event
 */
export function readEvents(path: string): RunEvent[] {
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((line, index) => {
    try {
      const event = JSON.parse(line) as RunEvent;
      if (typeof event.event === 'string' && Number.isInteger(event.step)) return event;
    } catch {
      // Falls through to the one error below.
    }
    throw new TristageError({
      kind: 'failure',
      code: 'E_EVENTS',
      message: 'this line is not an event',
      where: `${path}:${index + 1}`,
      found: line.slice(0, 80),
      expected: 'a JSON object with event and step',
    });
  });
}

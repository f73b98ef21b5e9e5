/** What a run comes to: first and last loss, time, speed; counted over all its parts when it was interrupted. */

import type { RunConfig } from '../config/schema.ts';
import type { EngineInfo } from '../engine/engine.ts';
import { readEvents } from '../report/events.ts';
import type { StepRecord } from '../train/loop.ts';
import type { RunSummary } from './run-folder.ts';

type Counted = Pick<StepRecord, 'loss' | 'seconds' | 'skipped'>;

export interface SummaryTracker {
  add(record: Counted): void;
  /** Seconds of training in all parts of the run. */
  seconds(): number;
  /** Updates, skipped ones included. */
  steps(): number;
  skipped(): number;
  first(): number | null;
  last(): number | null;
}

/**
 * Counts steps.
 * @param events events.jsonl of the earlier parts of the run, if there are any
 */
export function summaryTracker(events?: string): SummaryTracker {
  const total = { seconds: 0, steps: 0, skipped: 0, first: null as number | null, last: null as number | null };
  const add = ({ loss, seconds, skipped }: Counted): void => {
    total.seconds += seconds;
    total.steps++;
    if (skipped !== undefined) {
      total.skipped++;
      return;
    }
    total.first ??= loss;
    total.last = loss;
  };
  for (const event of events === undefined ? [] : readEvents(events)) {
    if (event.event === 'step') add(event);
    else if (event.event === 'skip') add({ loss: Number.NaN, seconds: event.seconds, skipped: event });
  }
  return {
    add,
    seconds: () => total.seconds,
    steps: () => total.steps,
    skipped: () => total.skipped,
    first: () => total.first,
    last: () => total.last,
  };
}

export interface SummaryRequest {
  config: RunConfig;
  engine: EngineInfo;
  tracker: SummaryTracker;
  step: number;
  finished: boolean;
}

/** The content of summary.json. */
export function summaryOf({ config, engine, tracker, step, finished }: SummaryRequest): RunSummary {
  const seconds = tracker.seconds();
  return {
    name: config.name,
    stage: config.stage,
    finished,
    step,
    steps: config.train.steps,
    seconds,
    samplesPerSecond: seconds > 0 ? (tracker.steps() * config.train.globalBatch) / seconds : 0,
    lossFirst: tracker.first(),
    lossLast: tracker.last(),
    skipped: tracker.skipped(),
    engine: engine.backend,
    device: engine.device,
  };
}

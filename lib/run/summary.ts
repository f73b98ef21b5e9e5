/** What a run comes to: first and last loss, time, speed; counted over all its parts when it was interrupted. */

import type { RunConfig } from '../config/schema.ts';
import type { FeatureCounts } from '../core/feature-counts.ts';
import type { EngineInfo } from '../engine/engine.ts';
import { readEvents } from '../report/events.ts';
import type { StepRecord } from '../train/loop.ts';
import { addCounts, NO_COUNTS } from './feature-counts.ts';
import type { RunSummary } from './run-folder.ts';

type Counted = Pick<StepRecord, 'loss' | 'seconds' | 'waitSeconds' | 'skipped' | 'features'>;

export interface SummaryTracker {
  add(record: Counted): void;
  /** Seconds of training in all parts of the run. */
  seconds(): number;
  /** Share of them in which steps waited for their batch; skipped steps of earlier parts count as not waiting. */
  dataWait(): number;
  /** Updates, skipped ones included. */
  steps(): number;
  skipped(): number;
  first(): number | null;
  last(): number | null;
  /** Counts what an evaluation did. */
  addFeatures(counts: FeatureCounts | undefined): void;
  /** Of the cache of features; absent where none was used. */
  features(): FeatureCounts | undefined;
}

/**
 * Counts steps.
 * @param events events.jsonl of the earlier parts of the run, if there are any
 */
export function summaryTracker(events?: string): SummaryTracker {
  const total = {
    seconds: 0,
    waited: 0,
    steps: 0,
    skipped: 0,
    first: null as number | null,
    last: null as number | null,
  };
  let counted: FeatureCounts | undefined;
  const addFeatures = (counts: FeatureCounts | undefined): void => {
    if (counts !== undefined) counted = addCounts(counted ?? NO_COUNTS, counts);
  };
  const add = ({ loss, seconds, waitSeconds, skipped, features }: Counted): void => {
    addFeatures(features);
    total.seconds += seconds;
    total.waited += waitSeconds;
    total.steps++;
    if (skipped !== undefined) {
      total.skipped++;
      return;
    }
    total.first ??= loss;
    total.last = loss;
  };
  for (const event of events === undefined ? [] : readEvents(events)) {
    if (event.event === 'step') add({ ...event, waitSeconds: event.dataWait * event.seconds });
    else if (event.event === 'skip') {
      const { seconds, features } = event;
      add({ loss: Number.NaN, seconds, waitSeconds: 0, features, skipped: event });
    } else if (event.event === 'evaluation') addFeatures(event.features);
  }
  return {
    add,
    seconds: () => total.seconds,
    dataWait: () => (total.seconds > 0 ? total.waited / total.seconds : 0),
    steps: () => total.steps,
    skipped: () => total.skipped,
    first: () => total.first,
    last: () => total.last,
    addFeatures,
    features: () => counted,
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
  const features = tracker.features();
  return {
    name: config.name,
    stage: config.stage,
    finished,
    step,
    steps: config.train.steps,
    seconds,
    samplesPerSecond: seconds > 0 ? (tracker.steps() * config.train.globalBatch) / seconds : 0,
    dataWait: tracker.dataWait(),
    lossFirst: tracker.first(),
    lossLast: tracker.last(),
    skipped: tracker.skipped(),
    ...(features && { featureCache: features }),
    engine: engine.backend,
    device: engine.device,
  };
}

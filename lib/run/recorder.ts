/** Everything that a run says of its steps: events.jsonl, TensorBoard files, progress, and the sums of its summary. */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunConfig } from '../config/schema.ts';
import type { Logger } from '../core/log.ts';
import type { EngineInfo } from '../engine/engine.ts';
import { openEventLog, type RunEvent } from '../report/events.ts';
import { openScalarWriter } from '../report/tensorboard.ts';
import type { StepRecord } from '../train/loop.ts';
import { hitShare } from './feature-counts.ts';
import { type Display, openProgress } from './progress.ts';
import { RUN_FILES } from './run-folder.ts';
import { type SummaryTracker, summaryTracker } from './summary.ts';

export interface RecorderRequest {
  /** Run folder. */
  folder: string;
  logger: Logger;
  display?: Display | undefined;
  onStep?: ((record: StepRecord) => void) | undefined;
}

export interface Recorder {
  /** Sums over all parts of the run. */
  readonly tracker: SummaryTracker;
  step(record: StepRecord): void;
  /** Writes an event other than those of steps. */
  write(event: RunEvent): void;
  /** Writes scalars of a step for TensorBoard. */
  scalars(step: number, values: Readonly<Record<string, number>>): void;
  close(): void;
}

/**
 * Opens the records of a run; what they hold of steps after `from` is dropped, since these come again.
 * @param opened `from`: updates already done
 */
export async function openRecorder(
  request: RecorderRequest,
  { config, engine, from }: { config: RunConfig; engine: EngineInfo; from: number },
): Promise<Recorder> {
  const { folder, logger, display, onStep } = request;
  const { steps, globalBatch } = config.train;
  const path = join(folder, RUN_FILES.events);
  const events = await openEventLog(path, from);
  const tracker = summaryTracker(from > 0 ? path : undefined);
  events.write({ event: 'start', step: from, resumed: from > 0, engine: engine.backend, device: engine.device });
  const charts = join(folder, RUN_FILES.tensorboard);
  // What a part of the run wrote that never came to a checkpoint comes again from step 1; TensorBoard would show it twice.
  if (from === 0) await rm(charts, { recursive: true, force: true });
  const board = openScalarWriter({ folder: charts, resumeFrom: from });
  const progress = openProgress({ steps, globalBatch, display, info: (line) => logger.info(line) });
  return {
    tracker,
    write: (event) => events.write(event),
    scalars: (step, values) => board.write(step, values),
    step(record) {
      tracker.add(record);
      events.write(stepEvent(record, globalBatch));
      board.write(record.step, stepScalars(record, globalBatch));
      progress.step(record);
      onStep?.(record);
    },
    close() {
      progress.close();
      board.close();
      events.close();
    },
  };
}

/** Samples of a step; where these are not counted, those of a mean one. */
function samplesOf({ drawn }: StepRecord, globalBatch: number): number {
  return drawn?.reduce((sum, { samples }) => sum + samples, 0) ?? globalBatch;
}

function stepEvent(record: StepRecord, globalBatch: number): RunEvent {
  const { waitSeconds, skipped, ...rest } = record;
  if (skipped !== undefined) {
    const { step, seconds, lr, features } = rest;
    return { event: 'skip', step, lr, seconds, ...skipped, ...(features && { features }) };
  }
  return {
    event: 'step',
    ...rest,
    samplesPerSecond: samplesOf(record, globalBatch) / record.seconds,
    dataWait: waitSeconds / record.seconds,
    residentBytes: process.memoryUsage.rss(),
  };
}

/** A `/` in a tag groups charts. */
function stepScalars(record: StepRecord, globalBatch: number): Record<string, number> {
  const { loss, lr, gradNorm, tasks, seconds, waitSeconds, skipped, features } = record;
  const speed = {
    'speed/samples_per_second': samplesOf(record, globalBatch) / seconds,
    'speed/data_wait': waitSeconds / seconds,
    ...(features && { 'speed/feature_hits': hitShare(features) }),
  };
  if (skipped !== undefined) return { lr, ...speed };
  const byTask = Object.entries(tasks).filter(([, { tokens }]) => tokens > 0);
  return {
    'loss/all': loss,
    ...Object.fromEntries(byTask.map(([task, { loss: own }]) => [`loss/${task}`, own])),
    lr,
    gradient_norm: gradNorm,
    ...speed,
  };
}

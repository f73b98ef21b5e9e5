/** The loop over steps: data, update, hooks. It knows neither model nor files; whoever assembles a run injects both. */

import type { FeatureCounts } from '../core/feature-counts.ts';

/** What one update reports. */
export interface UpdateReport {
  /** Mean over the supervised tokens of the global batch, in nats. */
  loss: number;
  lr: number;
  /** Norm of all gradients together before clipping. */
  gradNorm: number;
  /** Loss and supervised tokens by task. */
  tasks: Readonly<Record<string, { loss: number; tokens: number }>>;
  /** Supervised tokens of the global batch. */
  tokens: number;
  /** Samples and supervised tokens by line of the mixture and task; absent where no texts are trained. */
  drawn?: readonly { line: number; task: string; samples: number; tokens: number }[];
  /** Of the cache of visual features, since the step before; absent where there is none. */
  features?: FeatureCounts | undefined;
  /** Set when a loss or gradient was not finite, so that the weights stayed as they were. */
  skipped?: SkippedUpdate | undefined;
}

/** An update that was left out. */
export interface SkippedUpdate {
  /** What was not finite. */
  fault: 'loss' | 'gradient';
  /** Where the batch was written, relative to the run folder. */
  dump: string;
}

/** One finished step, with its times. */
export interface StepRecord extends UpdateReport {
  /** Updates done, this one included: the first is 1. */
  step: number;
  /** Wall time of the step. */
  seconds: number;
  /** Part of it that went into waiting for data. */
  waitSeconds: number;
}

export interface LoopRequest<Data> {
  /** Updates already done. */
  from: number;
  /** Updates in all. */
  to: number;
  /** The data of the update with this index (0 is the first); a pure function of the index. */
  data: (index: number) => Promise<Data>;
  /** Does the update with this index. */
  update: (index: number, data: Data) => Promise<UpdateReport> | UpdateReport;
  /** Called after each update. */
  onStep: (record: StepRecord) => void;
  /** Called after each update, before it is saved; true: this state is to be saved, whatever `saveEvery` says. */
  evaluate?: (step: number) => Promise<boolean>;
  /** Saves everything after so many updates. */
  save: (step: number) => Promise<void>;
  /** Saved after every so many updates, and after the last. */
  saveEvery: number;
  /** When it fires, the step under way ends, its state is saved, and the loop returns. */
  signal?: AbortSignal;
}

export interface LoopResult {
  /** Updates done. */
  step: number;
  interrupted: boolean;
}

/**
 * Runs updates `from` to `to`. The data of the next step is prepared while the current one computes.
 * @throws what data, update or hooks throw; nothing is saved then
 */
export async function runLoop<Data>(request: LoopRequest<Data>): Promise<LoopResult> {
  const { from, to, data, update, onStep, evaluate, save, saveEvery, signal } = request;
  let pending = from < to ? prepare(data, from) : undefined;
  let saved = from;
  let done = from;
  while (pending !== undefined && signal?.aborted !== true) {
    const start = performance.now();
    const batch = await pending;
    const ready = performance.now();
    pending = done + 1 < to ? prepare(data, done + 1) : undefined;
    const report = await update(done, batch);
    done++;
    const end = performance.now();
    onStep({ ...report, step: done, seconds: (end - start) / 1000, waitSeconds: (ready - start) / 1000 });
    // Before saving: a run that goes on from this checkpoint then finds the evaluation done.
    const wanted = (await evaluate?.(done)) ?? false;
    if (wanted || done % saveEvery === 0 || done === to) {
      await save(done);
      saved = done;
    }
    // Lets signals in: an engine may compute for minutes without ever returning to the event loop.
    await new Promise((resolve) => setImmediate(resolve));
  }
  await pending?.catch(() => undefined);
  const interrupted = done < to;
  if (interrupted && saved < done) await save(done);
  return { step: done, interrupted };
}

/** Starts preparing data; a failure waits until it is asked for. */
function prepare<Data>(data: (index: number) => Promise<Data>, index: number): Promise<Data> {
  const promise = data(index);
  promise.catch(() => undefined);
  return promise;
}

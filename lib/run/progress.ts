/** Progress of a training run: a bar on a terminal, lines elsewhere. */

import type { StepRecord } from '../train/loop.ts';
import { hitShare } from './feature-counts.ts';

/** Share of the past that the running speed forgets with every step. */
const FORGET = 0.1;
/** A run of at most so many steps prints a line for each. */
const SHORT_RUN = 200;
/** Seconds between two lines of a longer run. */
const LINE_SECONDS = 5;
/** Seconds between two drawings of the bar: more often, nobody can read it. */
const BAR_SECONDS = 0.1;
/** Characters of the bar itself. */
const BAR_WIDTH = 20;

/** What a part of the bar means; who owns the terminal gives it a colour. */
export type BarPart = 'done' | 'rest' | 'value' | 'label';

/** The place for a bar. */
export interface Display {
  columns(): number;
  status(text: string | undefined): void;
  paint(part: BarPart, text: string): string;
}

export interface ProgressRequest {
  steps: number;
  globalBatch: number;
  /** Receives lines. */
  info: (line: string) => void;
  /** Absent: no terminal, hence lines. */
  display?: Display | undefined;
  /** Milliseconds of some clock. */
  now?: () => number;
}

export interface Progress {
  step(record: StepRecord): void;
  /** Takes the bar away. */
  close(): void;
}

/** Shows finished steps: on a display as a bar, else as lines; a long run prints a line every few seconds at most. */
export function openProgress(request: ProgressRequest): Progress {
  const { steps, info, display, now = () => performance.now() } = request;
  const pace = runningPace();
  let shown = Number.NEGATIVE_INFINITY;
  const due = (record: StepRecord): boolean => {
    if (record.step === steps) return true;
    if (display === undefined && steps <= SHORT_RUN) return true;
    return now() - shown >= 1000 * (display === undefined ? LINE_SECONDS : BAR_SECONDS);
  };
  return {
    step(record) {
      const seconds = pace(record);
      if (!due(record)) return;
      shown = now();
      const facts = factsOf(record, { ...request, eta: (steps - record.step) * seconds });
      if (display === undefined) info(facts.map(([label, value]) => `${label} ${value}`).join('  '));
      else display.status(barOf({ facts, share: record.step / steps, display }));
    },
    close: () => display?.status(undefined),
  };
}

/** 75 -> `1:15`, 3700 -> `1:01:40`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const pad = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(rest)}` : `${minutes}:${pad(rest)}`;
}

/** Seconds a step, smoothed. The first steps include warming up; they must not weigh on the estimate for long. */
function runningPace(): (record: StepRecord) => number {
  let pace: number | undefined;
  return ({ step, seconds }) => {
    pace = pace === undefined || step <= 3 ? seconds : pace + FORGET * (seconds - pace);
    return pace;
  };
}

type Fact = readonly [label: string, value: string];

/** What is said of a step, the most important first. */
function factsOf(
  record: StepRecord,
  { steps, globalBatch, eta }: { steps: number; globalBatch: number; eta: number },
): Fact[] {
  const { step, loss, lr, seconds, waitSeconds, skipped, features } = record;
  const tasks = Object.entries(record.tasks).filter(([, { tokens }]) => tokens > 0);
  return [
    ['step', `${String(step).padStart(String(steps).length)}/${steps}`],
    skipped === undefined ? ['loss', loss.toFixed(4)] : ['skipped:', `${skipped.fault} not finite`],
    ['lr', lr.toExponential(2)],
    [`${(globalBatch / seconds).toFixed(1)}`, 'samples/s'],
    ['data wait', `${Math.round((100 * waitSeconds) / seconds)} %`],
    ...(features === undefined ? [] : [['cached', `${Math.round(100 * hitShare(features))} %`] as const]),
    ['eta', formatDuration(eta)],
    ...(tasks.length > 1 ? tasks.map(([task, { loss: own }]): Fact => [task, own.toFixed(3)]) : []),
  ];
}

/** The bar with as many facts behind it as fit. */
function barOf({ facts, share, display }: { facts: readonly Fact[]; share: number; display: Display }): string {
  const { paint } = display;
  const full = Math.round(BAR_WIDTH * Math.min(1, share));
  let line = paint('done', '█'.repeat(full)) + paint('rest', '░'.repeat(BAR_WIDTH - full));
  let room = display.columns() - BAR_WIDTH;
  for (const [label, value] of facts) {
    room -= 3 + label.length + value.length;
    if (room < 0) break;
    line += `  ${paint('label', label)} ${paint('value', value)}`;
  }
  return line;
}

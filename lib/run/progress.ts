/** Progress lines of a training run. */

import type { StepRecord } from '../train/loop.ts';

/** Share of the past that the running speed forgets with every step. */
const FORGET = 0.1;

/** 75 -> `1:15`, 3700 -> `1:01:40`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const pad = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours > 0 ? `${hours}:${pad(minutes)}:${pad(rest)}` : `${minutes}:${pad(rest)}`;
}

/**
 * A function that turns each finished step into one line: step, loss, learning rate, samples a second, share of time spent
 * waiting for data, time to go.
 */
export function progressLines(steps: number, globalBatch: number): (record: StepRecord) => string {
  let pace: number | undefined;
  const width = String(steps).length;
  return ({ step, loss, lr, seconds, waitSeconds }) => {
    // The first step includes warming up; it must not weigh on the estimate for long.
    pace = pace === undefined || step <= 3 ? seconds : pace + FORGET * (seconds - pace);
    return [
      `step ${String(step).padStart(width)}/${steps}`,
      `loss ${loss.toFixed(4)}`,
      `lr ${lr.toExponential(2)}`,
      `${(globalBatch / seconds).toFixed(1)} samples/s`,
      `data wait ${Math.round((100 * waitSeconds) / seconds)} %`,
      `eta ${formatDuration((steps - step) * pace)}`,
    ].join('  ');
  };
}

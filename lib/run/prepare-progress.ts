/** How far the preparation of a source is: a changing line on a terminal, else a line every few seconds. */

import type { BuildProgress } from '../data/index/build.ts';
import { type Display, formatDuration } from './progress.ts';

/** Milliseconds between two lines, and between two drawings on a terminal. */
const LINE_MS = 5000;
const DRAW_MS = 200;
/** Below this share of the files a guess of the end is worth nothing. */
const LEAST_SHARE = 0.01;

export interface PrepareProgressRequest {
  name: string;
  /** Receives lines. */
  info: (message: string) => void;
  /** Absent: no terminal, hence lines. */
  display?: Display | undefined;
  /** Milliseconds of some clock. */
  now?: () => number;
}

/** Shows progress; the caller clears the display. */
export function prepareProgress(request: PrepareProgressRequest): (progress: BuildProgress) => void {
  const { name, info, display, now = () => performance.now() } = request;
  const start = now();
  let shown = start;
  // Rows of an earlier attempt come at once; they say nothing of the speed.
  let first: BuildProgress | undefined;
  return (progress) => {
    first ??= progress;
    const at = now();
    if (at - shown < (display === undefined ? LINE_MS : DRAW_MS)) return;
    shown = at;
    const text = `source ${name}: ${describe(progress, { first, seconds: (at - start) / 1000 })}`;
    if (display === undefined) info(text);
    else display.status(text);
  };
}

function describe(
  { seen, rejected, share }: BuildProgress,
  { first, seconds }: { first: BuildProgress; seconds: number },
): string {
  const facts = [`${seen} rows`, `${rejected} left out`, `${Math.round((seen - first.seen) / seconds)} rows/s`];
  const read = share - first.share;
  if (read >= LEAST_SHARE && share < 1) {
    facts.push(`${Math.round(100 * share)} %`, `eta ${formatDuration((seconds * (1 - share)) / read)}`);
  }
  return facts.join(', ');
}

/** How fast a run will be: as somebody says, or as another run was. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { TristageError } from '../../core/errors.ts';
import { readEvents } from '../../report/events.ts';
import { RUN_FILES } from '../run-folder.ts';

/** Samples a second, and where the figure is from. */
export interface PlannedSpeed {
  samplesPerSecond: number;
  from: string;
}

/** Share of the steps at the beginning that warm up, 0..1. */
const WARM_UP = 0.1;

/**
 * The speed that a plan reckons with.
 * @param given samplesPerSecond, or the folder of a run whose steps were timed
 * @throws TristageError E_PLAN_SPEED for a speed that is not positive, or a folder without timed steps
 */
export function plannedSpeed(given: {
  samplesPerSecond?: number | undefined;
  like?: string | undefined;
}): PlannedSpeed | undefined {
  const { samplesPerSecond, like } = given;
  if (samplesPerSecond !== undefined) {
    if (samplesPerSecond > 0 && Number.isFinite(samplesPerSecond)) return { samplesPerSecond, from: '--speed' };
    throw noSpeed('--speed', String(samplesPerSecond), 'samples a second, above 0');
  }
  if (like === undefined) return undefined;
  const events = join(like, RUN_FILES.events);
  const speeds = (existsSync(events) ? readEvents(events) : []).flatMap((event) =>
    event.event === 'step' ? [event.samplesPerSecond] : [],
  );
  const timed = speeds.slice(Math.floor(WARM_UP * speeds.length)).sort((a, b) => a - b);
  const median = timed[Math.floor(timed.length / 2)];
  if (median === undefined || !(median > 0)) throw noSpeed(like, 'no timed steps', 'the folder of a run that trained');
  return { samplesPerSecond: median, from: `the median of ${timed.length} steps of ${like}` };
}

function noSpeed(where: string, found: string, expected: string): TristageError {
  return new TristageError({
    kind: 'usage',
    code: 'E_PLAN_SPEED',
    message: 'there is no speed to reckon with',
    where,
    found,
    expected,
  });
}

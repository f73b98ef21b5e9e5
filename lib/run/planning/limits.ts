/** What makes a run not worth starting, as far as its samples tell. */

import { TristageError } from '../../core/errors.ts';
import type { OpenLine } from '../data.ts';
import type { SourceFacts } from './measure.ts';

/** Bad samples that may be chance, however few were looked at. */
const CHANCE = 3;

/**
 * The limits that a source breaks.
 * @param facts of the samples that were looked at
 * @returns E_PLAN_TOKENS where more than half of what a sample says is likely cut away, E_BAD_SAMPLES where too many cannot be used
 */
export function brokenLimits(line: OpenLine, facts: SourceFacts, maxTokens: number): TristageError[] {
  const broken: TristageError[] = [];
  const { name } = line.source;
  const { tokens, looked, unusable, why } = facts;
  if (tokens !== undefined && tokens.uncut > maxTokens) {
    broken.push(
      new TristageError({
        kind: 'data',
        code: 'E_PLAN_TOKENS',
        message: `samples of ${name} are longer than they may be, on average`,
        where: `data.mixture: ${name}`,
        found: `a mean of ${tokens.uncut.toFixed(1)} tokens; ${(100 * tokens.cut).toFixed(0)} % of the samples are cut`,
        expected: `at most data.maxTokens, ${maxTokens}`,
        fix: 'raise data.maxTokens, or take a source with shorter texts',
      }),
    );
  }
  if (unusable >= CHANCE && unusable > line.badShare * looked) {
    broken.push(
      new TristageError({
        kind: 'data',
        code: 'E_BAD_SAMPLES',
        message: `too many samples of ${name} cannot be used`,
        where: `data.mixture: ${name}`,
        found: `${unusable} of ${looked}; the first: ${why}`,
        expected: `a share of at most ${line.badShare}`,
        fix: 'repair the files, or raise badShare of this source',
      }),
    );
  }
  return broken;
}

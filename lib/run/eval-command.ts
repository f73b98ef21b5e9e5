/** `tristage eval`: checks what was asked for, evaluates a run, and holds the figures against the required ones. */

import { dirname } from 'node:path';
import { TristageError } from '../core/errors.ts';
import { figuresOf, parseRequirement, unmetRequirements } from '../eval/metrics/figures.ts';
import { type EvaluateRunRequest, evaluateRun } from './eval.ts';
import type { RunEvaluation } from './eval-request.ts';
import { evalText } from './eval-text.ts';
import { refreshReport } from './report/index.ts';

export interface EvalCommandRequest extends EvaluateRunRequest {
  /** Figures that must be reached, such as `refer>=0.5`. */
  require: readonly string[];
}

export interface EvalCommandResult extends RunEvaluation {
  /** The report for people. */
  table: string;
  /** Every figure by name. */
  figures: Readonly<Record<string, number>>;
  /** An error of kind `gate` for each figure that is not reached. */
  unmet: readonly TristageError[];
}

/**
 * Evaluates a run.
 * @throws TristageError E_REQUIRE, E_SAMPLES for wrong arguments, and those of evaluateRun
 */
export async function runEval({ require, ...request }: EvalCommandRequest): Promise<EvalCommandResult> {
  const requirements = require.map(parseRequirement);
  const { samples } = request;
  if (samples !== undefined && !(Number.isSafeInteger(samples) && samples >= 1)) {
    throw new TristageError({
      kind: 'usage',
      code: 'E_SAMPLES',
      message: 'the number of questions is not usable',
      found: String(samples),
      expected: 'a whole number, 1 or more',
    });
  }
  const evaluation = await evaluateRun(request);
  // Elsewhere than in its run an evaluation is no part of the run's report.
  if (request.out === undefined)
    await refreshReport(dirname(dirname(evaluation.folder)), { ...request, plugins: true });
  const { model } = evaluation.report.metrics;
  const unmet = unmetRequirements(requirements, model);
  return { ...evaluation, table: evalText(evaluation.report), figures: figuresOf(model), unmet };
}

/** Questions a trained run for a program. */

import type { EvaluateSettings, RunEvaluation } from '../run/eval-request.ts';
import { loggerOf, type OwnParts, type Progress, registryOf } from './own.ts';

/** A run to evaluate. */
export interface EvaluateRequest extends EvaluateSettings, OwnParts, Progress {}

/**
 * Asks a checkpoint held-out questions, writes predictions and metrics, and gives the figures.
 * @throws TristageError E_NO_CHECKPOINT, E_EVAL_SOURCES, E_OUT_FOREIGN, and those of reading data and weights
 */
export async function evaluate({ sources, stages, ...settings }: EvaluateRequest): Promise<RunEvaluation> {
  const { evaluateRun } = await import('../run/eval.ts');
  return evaluateRun({ ...settings, registry: await registryOf({ sources, stages }), logger: loggerOf(settings) });
}

/**
 * One update: forward and backward of each micro-batch, gradients of the mean loss over the supervised tokens of the global batch,
 * clipping, AdamW.
 */
import type { Variable } from '../engine/tf.ts';
import type { ModelBatch } from '../model/batch.ts';
import type { MiniGpt } from '../model/minigpt.ts';
import { lossByRow, type RowLoss } from '../model/supervised.ts';
import type { AdamW } from './adamw.ts';
import { addGradients, backward, disposeGradients } from './backward.ts';
import { clipFactor, globalNorm, type NamedGradients, scaleGradients } from './clip.ts';

/** Choices that stay the same over a run. */
export interface StepOptions {
  /** Largest norm of all gradients together. Absent: no clipping. */
  clipNorm?: number | undefined;
  /** Adapter dropout; absent or rate 0: none. */
  dropout?: { rate: number; seed: number } | undefined;
  recompute?: boolean | undefined;
  /** `false`: logits at every position (see `ForwardOptions`). */
  supervisedOnly?: boolean | undefined;
  /**
   * `token-mean`: the mean over all supervised tokens of the global batch. `sum-of-means`, for compatibility: each micro-batch's own
   * mean, added up and not divided, as the reference accumulates.
   */
  accumulation?: 'token-mean' | 'sum-of-means' | undefined;
}

export interface StepResult {
  /** Mean over the supervised tokens of the global batch, in nats. */
  loss: number;
  /** Supervised tokens of the global batch. */
  tokens: number;
  /** Norm of all gradients together before clipping; NaN where the loss was not finite. */
  gradNorm: number;
  /** One entry for each row, in the order of the micro-batches. */
  rows: RowLoss[];
  /** What was not finite, or that nothing is supervised. The weights are untouched then; what to do is the caller's part. */
  fault?: 'loss' | 'gradient' | 'no-tokens';
}

export interface StepRequest {
  model: MiniGpt;
  /** Weights that train, by name; `optimizer` is over the same. */
  trainable: ReadonlyMap<string, Variable>;
  optimizer: AdamW;
  microBatches: readonly ModelBatch[];
  /** Index of this update, which decides dropout masks. */
  step: number;
  lr: number;
  options?: StepOptions | undefined;
}

/** Does one update and says what came of it. */
export async function trainStep(request: StepRequest): Promise<StepResult> {
  const { optimizer, lr, options = {} } = request;
  const gradients: Parameters<typeof addGradients>[0] = new Map();
  try {
    const { rows, tokens, finite } = await accumulate(request, gradients);
    const loss = rows.reduce((sum, row) => sum + row.loss, 0) / tokens;
    if (tokens === 0) return { loss: Number.NaN, tokens, gradNorm: Number.NaN, rows, fault: 'no-tokens' };
    if (!finite) return { loss, tokens, gradNorm: Number.NaN, rows, fault: 'loss' };
    const { gradNorm, applied } = await applyGradients({ optimizer, gradients, lr, clipNorm: options.clipNorm });
    return { loss, tokens, gradNorm, rows, ...(applied ? {} : { fault: 'gradient' as const }) };
  } finally {
    disposeGradients(gradients);
  }
}

/** Forward and backward of all micro-batches; stops at the first loss that is not finite. */
async function accumulate(
  { model, trainable, microBatches, step, options = {} }: StepRequest,
  gradients: Parameters<typeof addGradients>[0],
): Promise<{ rows: RowLoss[]; tokens: number; finite: boolean }> {
  const { recompute, supervisedOnly, accumulation = 'token-mean' } = options;
  const tokens = microBatches.reduce((sum, batch) => sum + supervisedTokens(batch), 0);
  const rows: RowLoss[] = [];
  for (const batch of microBatches) {
    const dropout = options.dropout && {
      ...options.dropout,
      step,
      rows: Array.from({ length: batch.shape[0] }, (_, b) => rows.length + b),
    };
    const {
      losses,
      places,
      value,
      gradients: own,
    } = await backward({
      model,
      trainable,
      batch,
      tokens: accumulation === 'token-mean' ? tokens : undefined,
      forward: { dropout, recompute, supervisedOnly },
    });
    addGradients(gradients, own);
    rows.push(...lossByRow({ losses, places, shape: batch.shape }));
    if (!Number.isFinite(value)) return { rows, tokens, finite: false };
  }
  return { rows, tokens, finite: true };
}

/** The first token of a row is never predicted. */
function supervisedTokens({ labels, shape }: ModelBatch): number {
  return labels.reduce((count, label, i) => count + (label >= 0 && i % shape[1] !== 0 ? 1 : 0), 0);
}

/**
 * Clips gradients and updates the weights, unless a gradient is not finite. The gradients stay the caller's.
 * @returns the norm before clipping, and whether the weights were updated
 */
export async function applyGradients(request: {
  optimizer: AdamW;
  gradients: NamedGradients;
  lr: number;
  clipNorm?: number | undefined;
}): Promise<{ gradNorm: number; applied: boolean }> {
  const { optimizer, gradients, lr, clipNorm } = request;
  const gradNorm = await globalNorm(gradients);
  if (!Number.isFinite(gradNorm)) return { gradNorm, applied: false };
  const factor = clipNorm === undefined ? 1 : clipFactor(gradNorm, clipNorm);
  if (factor === 1) {
    optimizer.update({ gradients, lr });
    return { gradNorm, applied: true };
  }
  const scaled = scaleGradients(gradients, factor);
  optimizer.update({ gradients: scaled, lr });
  disposeGradients(scaled);
  return { gradNorm, applied: true };
}

/**
 * Compatibility: whether the reference updates after iteration `step`, counting from 0. It counts within an epoch, so what an epoch
 * leaves over is not applied there but stays in the gradients that the next one adds to (reference.md 6).
 */
export function referenceUpdates(step: number, every: number, stepsPerEpoch: number): boolean {
  return ((step % stepsPerEpoch) + 1) % every === 0;
}

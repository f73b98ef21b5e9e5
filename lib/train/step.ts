/**
 * One update: forward and backward of each micro-batch, gradients of the (weighted) mean loss over the supervised tokens of the global
 * batch, clipping, AdamW.
 */
import { TristageError } from '../core/errors.ts';
import { asOutOfMemory } from '../engine/out-of-memory.ts';
import type { Variable } from '../engine/tf.ts';
import type { ModelBatch } from '../model/batch.ts';
import type { MiniGpt } from '../model/minigpt.ts';
import { lossByRow, type RowLoss } from '../model/supervised.ts';
import type { AdamW } from './adamw.ts';
import {
  addGradients,
  type BackwardResult,
  disposeGradients,
  lossTotal,
  type Pass,
  startPass,
  supervisedTokens,
} from './backward.ts';
import { clipFactor, globalNorm, type NamedGradients } from './clip.ts';
import type { LossWeighting } from './loss.ts';

/** Choices that stay the same over a run. */
export interface StepOptions {
  /** Largest norm of all gradients together. Absent: no clipping. */
  clipNorm?: number | undefined;
  /** Adapter dropout; absent or rate 0: none. */
  dropout?: { rate: number; seed: number } | undefined;
  recompute?: boolean | undefined;
  /** `false`: logits at every position (see `ForwardOptions`). */
  supervisedOnly?: boolean | undefined;
  /** Default `token`. */
  weighting?: LossWeighting | undefined;
  /**
   * `token-mean`: the mean over all supervised tokens of the global batch. `sum-of-means`, for compatibility: each micro-batch's own
   * mean, added up and not divided, as the reference accumulates.
   */
  accumulation?: 'token-mean' | 'sum-of-means' | undefined;
}

/** A micro-batch. */
export interface StepBatch extends ModelBatch {
  /** Packed rows: int32[B * T], the place in `examples` of the one that a token belongs to. Absent: each row is one example. */
  owners?: Int32Array | undefined;
  /** Needed with `owners`. */
  examples?: { readonly length: number } | undefined;
}

export interface StepResult {
  /** Mean over the supervised tokens of the global batch, weighted as the gradients are, in nats. */
  loss: number;
  /** Supervised tokens of the global batch. */
  tokens: number;
  /** Norm of all gradients together before clipping; NaN where the loss was not finite. */
  gradNorm: number;
  /** One entry for each row, or each example of packed rows, in the order of the micro-batches; tokens count alike. */
  rows: RowLoss[];
  /** What was not finite, or that nothing is supervised. The weights are untouched then; what to do is the caller's part. */
  fault?: 'loss' | 'gradient' | 'no-tokens';
}

export interface StepRequest {
  model: MiniGpt;
  /** Weights that train, by name; `optimizer` is over the same. */
  trainable: ReadonlyMap<string, Variable>;
  optimizer: AdamW;
  microBatches: readonly StepBatch[];
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
    const { rows, loss, tokens, finite } = await accumulate(request, gradients);
    if (tokens === 0) return { loss: Number.NaN, tokens, gradNorm: Number.NaN, rows, fault: 'no-tokens' };
    if (!finite) return { loss, tokens, gradNorm: Number.NaN, rows, fault: 'loss' };
    const { gradNorm, applied } = await applyGradients({ optimizer, gradients, lr, clipNorm: options.clipNorm });
    return { loss, tokens, gradNorm, rows, ...(applied ? {} : { fault: 'gradient' as const }) };
  } finally {
    disposeGradients(gradients);
  }
}

interface Accumulated {
  rows: RowLoss[];
  loss: number;
  tokens: number;
  finite: boolean;
}

/**
 * Forward and backward of all micro-batches. Their losses are read when all are under way, so that a GPU never waits for the host between
 * two of them.
 */
async function accumulate(
  { model, trainable, microBatches, step, options = {} }: StepRequest,
  gradients: Parameters<typeof addGradients>[0],
): Promise<Accumulated> {
  const { recompute, supervisedOnly, weighting = 'token', accumulation = 'token-mean' } = options;
  const total = microBatches.reduce((sum, batch) => sum + lossTotal(batch, weighting), 0);
  const passes: Pass[] = [];
  let before = 0;
  try {
    for (const batch of microBatches) {
      const rows = Array.from({ length: batch.shape[0] }, (_, b) => before + b);
      before += rows.length;
      const pass = startPass({
        model,
        trainable,
        batch,
        total: accumulation === 'token-mean' ? total : undefined,
        weighting,
        forward: { dropout: options.dropout && { ...options.dropout, step, rows }, recompute, supervisedOnly },
      });
      passes.push(pass);
      addGradients(gradients, pass.gradients);
      // Data of the next step is prepared meanwhile, in turns of this thread.
      await new Promise((resolve) => setImmediate(resolve));
    }
    const read = await Promise.all(passes.map((pass) => pass.read()));
    const results = passes.map((pass, i) => ({ ...pass, ...read[i]! }));
    return summed(results, { microBatches, weighting, total });
  } finally {
    for (const pass of passes) pass.dispose();
  }
}

/** Losses of all micro-batches by row, and their mean. */
function summed(
  results: readonly BackwardResult[],
  { microBatches, weighting, total }: { microBatches: readonly StepBatch[]; weighting: LossWeighting; total: number },
): Accumulated {
  const rows = results.flatMap((result, i) => {
    const batch = microBatches[i]!;
    return lossByRow({ ...result, shape: batch.shape, packed: packedOf(batch) });
  });
  const plain = rows.reduce((sum, row) => sum + row.loss, 0);
  const weighted = results.reduce((sum, result) => sum + weightedSum(result), 0);
  return {
    rows,
    loss: (weighting === 'token' ? plain : weighted) / total,
    tokens: microBatches.reduce((sum, batch) => sum + supervisedTokens(batch), 0),
    finite: results.every(({ value }) => Number.isFinite(value)),
  };
}

function packedOf({ owners, examples }: StepBatch): Parameters<typeof lossByRow>[0]['packed'] {
  return owners === undefined ? undefined : { owners, examples: examples?.length ?? 0 };
}

function weightedSum({ losses, weights }: BackwardResult): number {
  return losses.reduce((sum, loss, i) => sum + loss * (weights?.[i] ?? 1), 0);
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
  const gradScale = clipNorm === undefined ? 1 : clipFactor(gradNorm, clipNorm);
  updateWhole(optimizer, { gradients, lr, gradScale });
  return { gradNorm, applied: true };
}

/** @throws TristageError E_MEMORY_UPDATE where memory runs out in the middle: some weights are updated then, and others are not */
function updateWhole(optimizer: AdamW, request: Parameters<AdamW['update']>[0]): void {
  try {
    optimizer.update(request);
  } catch (error) {
    const memory = asOutOfMemory(error);
    if (memory === undefined) throw error;
    throw new TristageError({
      kind: 'resources',
      code: 'E_MEMORY_UPDATE',
      message: 'memory ran out in the middle of an update',
      found: memory.found ?? memory.message,
      expected: 'room for a copy of the largest weight that trains; on a GPU for two, and for 64 MB',
      fix: 'free memory and go on from the last checkpoint with --resume',
      cause: error,
    });
  }
}

/**
 * Compatibility: whether the reference updates after iteration `step`, counting from 0. It counts within an epoch, so what an epoch
 * leaves over is not applied there but stays in the gradients that the next one adds to (reference.md 6).
 */
export function referenceUpdates(step: number, every: number, stepsPerEpoch: number): boolean {
  return ((step % stepsPerEpoch) + 1) % every === 0;
}

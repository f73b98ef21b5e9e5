/** Forward and backward of one micro-batch, and the sum of gradients over several. */
import { valueAndGrads } from '../engine/autograd/index.ts';
import { type Tensor, tf, type Variable } from '../engine/tf.ts';
import { deviceBatch, disposeBatch, type ModelBatch } from '../model/batch.ts';
import { type ForwardOptions, type MiniGpt, tokenLosses } from '../model/minigpt.ts';
import type { NamedGradients } from './clip.ts';
import { answerWeights, type LossWeighting, shareOfMean } from './loss.ts';

/** Losses of a micro-batch on the host. */
export interface PassLosses {
  /** f32[N] loss of each supervised token, in nats. */
  losses: Float32Array;
  /** Weighted sum of `losses` over the divisor that was asked for: the number that was differentiated. */
  value: number;
}

/** What a micro-batch gives beside its losses. */
interface PassGradients {
  /** f32[N] weights of the tokens; absent: 1 each. */
  weights?: Float32Array | undefined;
  /** int32[N] where each supervised token was predicted: b * T + t. */
  places: Int32Array;
  /** One entry for each trainable weight; null where the loss does not depend on it. The caller disposes them. */
  gradients: Map<string, Tensor | null>;
}

/** A micro-batch that went through the model; on a GPU it may still be computing. */
export interface Pass extends PassGradients {
  /** Waits for the losses. */
  read(): Promise<PassLosses>;
  /** Frees the losses; the gradients stay the caller's. */
  dispose(): void;
}

export type BackwardResult = PassGradients & PassLosses;

export interface PassRequest {
  model: MiniGpt;
  trainable: ReadonlyMap<string, Variable>;
  batch: ModelBatch;
  /**
   * Divides the summed loss: the supervised tokens of the global batch, or the sum of their weights. Absent: that of this micro-batch,
   * the reference's rule, with which accumulated gradients are a sum of means (its losses are not divided either).
   */
  total?: number | undefined;
  weighting?: LossWeighting | undefined;
  forward?: ForwardOptions | undefined;
}

/** Differentiates a micro-batch, without waiting for the device. */
export function startPass(request: PassRequest): Pass {
  const { model, trainable, forward, weighting = 'token' } = request;
  const names = [...trainable.keys()];
  const batch = deviceBatch(request.batch, model.config);
  try {
    if (batch.supervised === 0) return nothing(names);
    const weights = weighting === 'token' ? undefined : answerWeights(request.batch);
    const total = request.total ?? lossTotal(request.batch, weighting);
    const { value, aux, grads } = valueAndGrads(() => {
      const losses = tokenLosses(model, batch, forward);
      return [shareOfMean(losses, total, weights), losses];
    }, [...trainable.values()]);
    return {
      weights,
      places: batch.places,
      gradients: new Map(names.map((name, i) => [name, grads[i] ?? null])),
      read: async () => {
        const [losses, [share = Number.NaN]] = await Promise.all([aux[0]!.data<'float32'>(), value.data()]);
        return { losses: Float32Array.from(losses), value: share };
      },
      dispose: () => tf.dispose([value, ...aux]),
    };
  } finally {
    disposeBatch(batch);
  }
}

/** Differentiates a micro-batch and waits for its losses. */
export async function backward(request: PassRequest): Promise<BackwardResult> {
  const { read, dispose, ...rest } = startPass(request);
  try {
    return { ...rest, ...(await read()) };
  } finally {
    dispose();
  }
}

/** What the losses of a batch are divided by for their mean: its supervised tokens, or the sum of their weights. */
export function lossTotal(batch: ModelBatch, weighting: LossWeighting): number {
  if (weighting === 'token') return supervisedTokens(batch);
  return answerWeights(batch).reduce((sum, weight) => sum + weight, 0);
}

/** Supervised tokens of a batch; the first token of a row is never predicted. */
export function supervisedTokens({ labels, shape }: ModelBatch): number {
  return labels.reduce((count, label, i) => count + (label >= 0 && i % shape[1] !== 0 ? 1 : 0), 0);
}

function nothing(names: readonly string[]): Pass {
  return {
    places: new Int32Array(0),
    gradients: new Map(names.map((name) => [name, null])),
    read: () => Promise.resolve({ losses: new Float32Array(0), value: 0 }),
    dispose: () => undefined,
  };
}

/**
 * Adds gradients onto a sum; null is neutral. Takes over `more` and frees what the sum replaces.
 * @param sum changed in place; an absent name counts as null
 */
export function addGradients(sum: Map<string, Tensor | null>, more: NamedGradients): void {
  const left = new Map(more);
  try {
    for (const [name, gradient] of more) {
      const known = sum.get(name) ?? null;
      if (known === null || gradient === null) {
        sum.set(name, known ?? gradient);
      } else {
        sum.set(name, tf.add(known, gradient));
        tf.dispose([known, gradient]);
      }
      left.delete(name);
    }
  } catch (error) {
    disposeGradients(left);
    throw error;
  }
}

/** Frees gradients. */
export function disposeGradients(gradients: NamedGradients): void {
  for (const gradient of gradients.values()) gradient?.dispose();
}

/**
 * Memory of an update, from sizes alone: no weights, no engine, no measurement. A step holds what stays (weights, moments, gradients of
 * earlier passes, the batch) and at its fullest moment what that moment needs; docs/memory.md writes the sums out.
 */
import { ELEMENT_BYTES, type Precision, storedIn } from '../engine/precision.ts';
import type { ModelConfig } from '../model/config.ts';
import {
  batchMemory,
  type ComputeKind,
  FLOAT,
  llamaBlockMemory,
  lossMemory,
  type PassShape,
  stemMemory,
  visionMemory,
} from '../model/memory.ts';
import { modelShapes, valuesIn } from '../model/shapes.ts';
import type { TrainableGroup } from './stage.ts';
import { groupOf, trainableIn } from './trainable.ts';

/** What computes, as far as memory is concerned. */
export interface MemoryEngine {
  backend: 'torch' | 'tensorflow';
  device: 'cpu' | 'cuda';
  precision: Precision;
}

/** What decides the memory of an update, besides the shape of its passes. */
export interface StepSettings {
  model: ModelConfig;
  trainable: readonly TrainableGroup[];
  engine: MemoryEngine;
  recompute: boolean;
}

/** When a step is at its fullest. */
export type Moment = 'upload' | 'vision' | 'forward' | 'loss' | 'head' | 'backward' | 'update' | 'measure';

/** Bytes of the tensors of an update. */
export interface StepMemory {
  parameters: { frozen: number; trainable: number };
  /** Both moments of the optimizer. */
  optimizer: number;
  /** One gradient of each weight that trains. */
  gradients: number;
  /** Ids, pixels and masks of a pass. */
  batch: number;
  /** What is kept of the forward pass for the backward pass. */
  activations: number;
  /** What is alive beside all this at the fullest moment. */
  workspace: number;
  /** When that is. */
  fullest: Moment;
  /** Most bytes of tensors at once. */
  peak: number;
}

/**
 * Estimates an update.
 * @param pass the largest of its passes
 * @param passes how many it has; from the second on, gradients of the earlier ones lie beside
 */
export function stepMemory(settings: StepSettings, pass: PassShape, passes: number): StepMemory {
  const weights = weightBytes(settings);
  const { batch, upload } = batchMemory(settings.model, pass);
  const activations = activationBytes(settings, pass);
  const gathered = passes > 1 ? weights.gradients : 0;
  const moments = { upload, ...momentBytes(settings, { pass, weights, gathered }) };
  const [fullest, most] = Object.entries(moments).reduce((a, b) => (b[1] > a[1] ? b : a)) as [Moment, number];
  const { frozen, trainable, optimizer, gradients } = weights;
  // What the moment shares with activations and gradients is not counted twice.
  const kept = fullest === 'upload' || fullest === 'vision' || fullest === 'update' ? 0 : activations;
  const own = fullest === 'update' ? gradients : gathered;
  return {
    parameters: { frozen, trainable },
    optimizer,
    gradients: own,
    batch: fullest === 'update' ? 0 : batch,
    activations: kept,
    workspace: most - kept - own,
    fullest,
    peak: frozen + trainable + optimizer + (fullest === 'update' ? 0 : batch) + most,
  };
}

/** How an engine computes. */
export function computeKind({ backend, device, precision }: MemoryEngine): ComputeKind {
  const narrow = precision === 'bf16';
  if (backend === 'torch' && device === 'cuda' && narrow)
    return { activationBytes: ELEMENT_BYTES.bf16, kernels: 'narrow', widens: false };
  const kernels = backend === 'torch' && device === 'cpu' ? 'fused' : 'composite';
  return { activationBytes: FLOAT, kernels, widens: narrow };
}

interface WeightBytes {
  frozen: number;
  trainable: number;
  optimizer: number;
  gradients: number;
  /** The largest weight that trains. */
  largest: number;
  /** Gradients of the last block and what lies behind it, which are there when its backward pass is at its fullest. */
  head: number;
}

function weightBytes({ model, trainable, engine }: StepSettings): WeightBytes {
  const trains = trainableIn(trainable);
  const bytes: WeightBytes = { frozen: 0, trainable: 0, optimizer: 0, gradients: 0, largest: 0, head: 0 };
  for (const [name, shape] of modelShapes(model)) {
    const values = valuesIn(shape);
    if (!trains(name)) {
      // Projector and adapters keep float32 where an earlier stage trained them.
      const large = groupOf(name) === 'vision' || groupOf(name) === 'llm';
      bytes.frozen += values * ELEMENT_BYTES[storedIn({ precision: engine.precision, shape, frozen: large })];
      continue;
    }
    bytes.trainable += FLOAT * values;
    bytes.optimizer += 2 * FLOAT * values;
    bytes.gradients += FLOAT * values;
    bytes.largest = Math.max(bytes.largest, FLOAT * values);
    const isHead = name.endsWith('lm_head.weight') || (model.llm.tieEmbeddings && name.endsWith('embed_tokens.weight'));
    if (isHead) bytes.head += FLOAT * values;
  }
  return bytes;
}

const trainingOf = (trainable: readonly TrainableGroup[]) => ({
  llm: trainable.includes('llm'),
  projector: trainable.includes('projector'),
});

function activationBytes({ model, trainable, engine, recompute }: StepSettings, pass: PassShape): number {
  const context = { pass, kind: computeKind(engine), training: trainingOf(trainable) };
  const block = llamaBlockMemory(model, context);
  return stemMemory(model, context).saved + model.llm.layers * (recompute ? block.input : block.saved);
}

/** Tensors as large as a weight that its update makes of plain operations, a gradient that was clipped included. */
export const COMPOSITE_UPDATE = 7;

/** On a GPU clipped gradients are copies, of so many bytes at once or of one weight: engine/torch/fused/foreach.ts. */
const CLIPPED_TOGETHER = 2 ** 26;

function updateBytes(largest: number, { backend, device }: MemoryEngine): number {
  if (backend === 'tensorflow') return COMPOSITE_UPDATE * largest;
  return device === 'cuda' ? Math.max(largest, CLIPPED_TOGETHER) : largest;
}

/** Bytes of each moment beside weights, optimizer and batch. */
function momentBytes(
  settings: StepSettings,
  { pass, weights, gathered }: { pass: PassShape; weights: WeightBytes; gathered: number },
): Record<Exclude<Moment, 'upload' | 'measure'>, number> {
  const { model, engine, recompute } = settings;
  const kind = computeKind(engine);
  const context = { pass, kind, training: trainingOf(settings.trainable) };
  const block = llamaBlockMemory(model, context);
  const stem = stemMemory(model, context);
  const { loss, head } = lossMemory(model, context);
  const all = activationBytes(settings, pass);
  const kept = recompute ? block.input : block.saved;
  // The output of the last block and its norm.
  const last = 2 * block.input;
  // A block that is computed again lies beside its kept input, under the gradient of its output.
  const again = recompute ? block.input + Math.max(block.forward - block.input, block.backward) : block.backward - kept;
  const first = stem.saved + kept + again;
  // The embedding matrix is the last to get its gradient; where it is the head too, both gradients and their sum are there.
  const embedded = weights.gradients + 2 * (model.llm.tieEmbeddings ? weights.head : 0);
  return {
    vision: gathered + stem.words + visionMemory(model, { images: pass.images, kind }),
    forward: gathered + all - kept + block.forward,
    loss: gathered + all + last + loss,
    head: gathered + all + last + head,
    // At its beginning everything is kept and few gradients are there; at its end it is the other way round.
    backward: gathered + Math.max(all + weights.head + again, first + weights.gradients, embedded),
    update: weights.gradients + updateBytes(weights.largest, engine),
  };
}

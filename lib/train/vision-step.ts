/**
 * One update of a vision tower by a dense objective: cross-entropy of what each patch shows, plus the distance of the box of the
 * object that covers it. It stands where a large pretrained tower would come from outside.
 */
import { valueAndGrads } from '../engine/autograd/index.ts';
import { maskedCrossEntropy } from '../engine/ops/index.ts';
import { type Tensor, tf, type Variable } from '../engine/tf.ts';
import { normalisedPixels, type Pixels } from '../model/vision/normalise.ts';
import type { AdamW } from './adamw.ts';
import { addGradients, disposeGradients } from './backward.ts';
import { applyGradients } from './step.ts';
import { type PatchModel, patchOutputs } from './vision-model.ts';

/** Images with the truth of each patch, on the host. */
export interface PatchBatch {
  /** u8[N, S, S, 3] */
  pixels: Pixels;
  /** u8[N * P]: 0 for background, 1 + kind for an object. */
  classes: Uint8Array;
  /** f32[N * P, 4]: box of the object as fractions of the image; zeros for background. */
  boxes: Float32Array;
}

/**
 * A batch as several of at most so many images; they share its memory.
 * @param into `images` of each part but the last, which may have fewer; `patches` of an image
 */
export function cutPatches(batch: PatchBatch, into: { images: number; patches: number }): PatchBatch[] {
  const { pixels, classes, boxes } = batch;
  const count = classes.length / into.patches;
  const image = pixels.length / count;
  const parts: PatchBatch[] = [];
  for (let from = 0; from < count; from += into.images) {
    const to = Math.min(from + into.images, count);
    const [start, end] = [from * into.patches, to * into.patches];
    parts.push({
      pixels: pixels.subarray(from * image, to * image),
      classes: classes.subarray(start, end),
      boxes: boxes.subarray(4 * start, 4 * end),
    });
  }
  return parts;
}

/** Over how many patches means are taken: those of the whole global batch. */
export interface PatchCounts {
  patches: number;
  /** Patches that an object covers. */
  covered: number;
}

/** Counts the patches of several batches. */
export function countPatches(batches: readonly PatchBatch[]): PatchCounts {
  const counts = { patches: 0, covered: 0 };
  for (const { classes } of batches) {
    counts.patches += classes.length;
    for (const kind of classes) if (kind > 0) counts.covered++;
  }
  return counts;
}

/** Shares of the three losses that a micro-batch contributes; scalars of the caller. */
export interface PatchLosses {
  /** `classes` + boxWeight * `boxes`: what is differentiated. */
  total: Tensor;
  /** Mean cross-entropy of all patches, in nats. */
  classes: Tensor;
  /** Mean absolute error of a coordinate, over covered patches; 0 where there is none. */
  boxes: Tensor;
}

/**
 * The loss of a micro-batch. Summed over the micro-batches of a step it is the loss of the global batch.
 * @param request `counts` of the global batch
 */
export function patchLosses(request: {
  model: PatchModel;
  batch: PatchBatch;
  counts: PatchCounts;
  boxWeight: number;
}): PatchLosses {
  const { model, batch, counts, boxWeight } = request;
  const [total, classes, boxes] = tf.tidy(() => {
    const outputs = patchOutputs(model, normalisedPixels(batch.pixels, model.config));
    const N = batch.classes.length;
    const labels = tf.tensor1d(Int32Array.from(batch.classes), 'int32');
    const classLoss = tf.div(tf.sum(maskedCrossEntropy(outputs.logits, labels)), counts.patches);
    const isCovered = tf.tensor2d(
      Float32Array.from(batch.classes, (kind) => Math.min(kind, 1)),
      [N, 1],
    );
    const distance = tf.abs(tf.sub(outputs.boxes, tf.tensor2d(batch.boxes, [N, 4])));
    const boxLoss = tf.div(tf.sum(tf.mul(distance, isCovered)), 4 * Math.max(counts.covered, 1));
    return [tf.add(classLoss, tf.mul(boxLoss, boxWeight)), classLoss, boxLoss];
  }) as [Tensor, Tensor, Tensor];
  return { total, classes, boxes };
}

/** What one update gives. */
export interface PatchStepResult extends PatchCounts {
  loss: number;
  classLoss: number;
  boxLoss: number;
  /** Norm of all gradients together before clipping; NaN where the loss was not finite. */
  gradNorm: number;
  /** What was not finite. The weights are untouched then; what to do is the caller's part. */
  fault?: 'loss' | 'gradient';
}

export interface PatchStepRequest {
  model: PatchModel;
  /** Weights that train, by name; `optimizer` is over the same. */
  trainable: ReadonlyMap<string, Variable>;
  optimizer: AdamW;
  microBatches: readonly PatchBatch[];
  lr: number;
  /** Weight of the box loss beside the class loss. */
  boxWeight: number;
  /** Largest norm of all gradients together. Absent: no clipping. */
  clipNorm?: number | undefined;
}

/** Does one update and says what came of it. */
export async function patchStep(request: PatchStepRequest): Promise<PatchStepResult> {
  const { optimizer, lr, microBatches, clipNorm } = request;
  const counts = countPatches(microBatches);
  const gradients = new Map<string, Tensor | null>();
  const sum = { loss: 0, classLoss: 0, boxLoss: 0 };
  try {
    for (const batch of microBatches) {
      const part = await differentiate(request, { batch, counts, gradients });
      sum.loss += part.loss;
      sum.classLoss += part.classLoss;
      sum.boxLoss += part.boxLoss;
    }
    if (!Number.isFinite(sum.loss)) return { ...counts, ...sum, gradNorm: Number.NaN, fault: 'loss' };
    const { gradNorm, applied } = await applyGradients({ optimizer, gradients, lr, clipNorm });
    return { ...counts, ...sum, gradNorm, ...(applied ? {} : { fault: 'gradient' as const }) };
  } finally {
    disposeGradients(gradients);
  }
}

/** Adds the gradients of one micro-batch to the sum and gives its losses. */
async function differentiate(
  { model, trainable, boxWeight }: PatchStepRequest,
  work: { batch: PatchBatch; counts: PatchCounts; gradients: Map<string, Tensor | null> },
): Promise<{ loss: number; classLoss: number; boxLoss: number }> {
  const { batch, counts, gradients } = work;
  const { value, aux, grads } = valueAndGrads(() => {
    const { total, classes, boxes } = patchLosses({ model, batch, counts, boxWeight });
    return [total, classes, boxes];
  }, [...trainable.values()]);
  try {
    addGradients(gradients, new Map([...trainable.keys()].map((name, i) => [name, grads[i] ?? null])));
    const [loss, classLoss, boxLoss] = await Promise.all(
      [value, ...aux].map(async (scalar) => (await scalar.data())[0] ?? Number.NaN),
    );
    return { loss: loss ?? Number.NaN, classLoss: classLoss ?? Number.NaN, boxLoss: boxLoss ?? Number.NaN };
  } finally {
    tf.dispose([value, ...aux]);
  }
}

/** How well a tower with its head reads scenes that it was not trained on. */
import { tf } from '../engine/tf.ts';
import { normalisedPixels } from '../model/vision/normalise.ts';
import { type PatchModel, patchOutputs } from './vision-model.ts';
import type { PatchBatch } from './vision-step.ts';

/** Accuracy over all patches of some scenes. */
export interface PatchAccuracy {
  patches: number;
  /** Patches that an object covers: the foreground. */
  covered: number;
  /** Share of all patches whose most likely class is the true one; background alone can make most of it. */
  all: number;
  /** The same over covered patches: the right kind of object, not background. 0 where there is none. */
  foreground: number;
  /** Mean overlap (intersection over union) of the predicted with the true box, over covered patches. 0 where there is none. */
  boxOverlap: number;
}

/** What the head says of a batch, on the host. */
export interface PatchPrediction {
  /** f32[N * P, K], background first. */
  logits: Float32Array;
  /** f32[N * P, 4] */
  boxes: Float32Array;
}

/** Compares predictions with the truth. */
export function scorePatches(
  pairs: readonly { truth: Pick<PatchBatch, 'classes' | 'boxes'>; prediction: PatchPrediction }[],
): PatchAccuracy {
  const sum = { patches: 0, covered: 0, right: 0, rightCovered: 0, overlap: 0 };
  for (const { truth, prediction } of pairs) {
    const K = prediction.logits.length / truth.classes.length;
    truth.classes.forEach((kind, patch) => {
      const right = largest(prediction.logits.subarray(patch * K, (patch + 1) * K)) === kind ? 1 : 0;
      sum.patches++;
      sum.right += right;
      if (kind === 0) return;
      sum.covered++;
      sum.rightCovered += right;
      sum.overlap += overlap(prediction.boxes, truth.boxes, patch * 4);
    });
  }
  const share = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);
  return {
    patches: sum.patches,
    covered: sum.covered,
    all: share(sum.right, sum.patches),
    foreground: share(sum.rightCovered, sum.covered),
    boxOverlap: share(sum.overlap, sum.covered),
  };
}

function largest(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] ?? 0) > (values[best] ?? 0)) best = i;
  return best;
}

/** Intersection over union of the boxes at `at`; a box whose corners are crossed has no area. */
function overlap(a: Float32Array, b: Float32Array, at: number): number {
  const corner = (values: Float32Array, place: number): number => values[at + place] ?? 0;
  const area = (values: Float32Array) =>
    Math.max(0, corner(values, 2) - corner(values, 0)) * Math.max(0, corner(values, 3) - corner(values, 1));
  const width = Math.min(corner(a, 2), corner(b, 2)) - Math.max(corner(a, 0), corner(b, 0));
  const height = Math.min(corner(a, 3), corner(b, 3)) - Math.max(corner(a, 1), corner(b, 1));
  const both = width > 0 && height > 0 ? width * height : 0;
  return both === 0 ? 0 : both / (area(a) + area(b) - both);
}

/** Runs a tower over batches of scenes and scores it. */
export async function evaluatePatches(model: PatchModel, batches: readonly PatchBatch[]): Promise<PatchAccuracy> {
  const pairs: { truth: PatchBatch; prediction: PatchPrediction }[] = [];
  for (const truth of batches) {
    const outputs = tf.tidy(() => {
      const { logits, boxes } = patchOutputs(model, normalisedPixels(truth.pixels, model.config));
      return [logits, boxes];
    });
    const [logits, boxes] = await Promise.all(outputs.map((tensor) => tensor.data<'float32'>()));
    tf.dispose(outputs);
    pairs.push({ truth, prediction: { logits: logits as Float32Array, boxes: boxes as Float32Array } });
  }
  return scorePatches(pairs);
}

/**
 * A start of the projector in closed form: the linear map that brings visual tokens nearest to the words that were said of their
 * image. Ridge regression over visual tokens; its output is then stretched to the spread of the word embeddings, which the
 * regression shrinks. Linear maps from frozen vision to frozen language carry meaning (Merullo et al. 2022, arXiv 2209.15162).
 */
import { type Tensor, tf } from '../engine/tf.ts';
import { choleskySolve } from './cholesky.ts';

/** Sums over the images seen so far, on the engine. */
export interface ProjectorFit {
  /**
   * @param joined f32[N, P, Di] what the projector gets of N images
   * @param words one entry an image: f32[Wi, Dl], the embeddings of the words that were said of it, at least one
   */
  add(joined: Tensor, words: readonly Tensor[]): void;
  /**
   * @param ridge weight of the penalty, in mean variances of an input
   * @returns weight f32[Dl, Di] and bias f32[Dl], row-major, and the share of the words' variance that they explain
   */
  solve(ridge: number): Promise<FittedProjector>;
  dispose(): void;
}

export interface FittedProjector {
  weight: Float32Array;
  bias: Float32Array;
  explained: number;
}

/** What is summed; every value lies less a shift, the mean of the first images, so that float32 sums lose little. */
type Sums = {
  /** f32[Di, Di] of the inputs with themselves. */
  gram: Tensor;
  /** f32[Di, Dl] of the inputs with the targets. */
  cross: Tensor;
  /** f32[Di] */
  inputs: Tensor;
  /** f32[Dl] */
  targets: Tensor;
  /** f32[]: squares of the targets. */
  targetSquares: Tensor;
  /** f32[]: mean squares of the words' embeddings, an image each. */
  wordSquares: Tensor;
};

/** Sums for a projector from Di to Dl channels. */
export function createProjectorFit(): ProjectorFit {
  let sums: Sums | undefined;
  let shift: Tensor | undefined;
  let tokens = 0;
  let images = 0;
  return {
    add(joined, words) {
      const [N, P] = joined.shape as [number, number, number];
      shift ??= tf.keep(tf.tidy(() => tf.mean(joined, [0, 1])));
      const next = tf.tidy(() => sumsOf(tf.sub(joined, shift as Tensor), words, sums));
      if (sums !== undefined) tf.dispose({ ...sums });
      for (const tensor of Object.values(next)) tf.keep(tensor);
      sums = next;
      tokens += N * P;
      images += N;
    },
    async solve(ridge) {
      if (sums === undefined || shift === undefined)
        throw new RangeError('a projector is fitted to at least one image');
      const read = await readSums(sums, shift);
      return fitted({ ...read, tokens, images, ridge });
    },
    dispose() {
      tf.dispose({ ...sums, ...(shift === undefined ? {} : { shift }) });
    },
  };
}

function sumsOf(x: Tensor, words: readonly Tensor[], before: Sums | undefined): Sums {
  const [N, P, Di] = x.shape as [number, number, number];
  const rows = tf.reshape(x, [N * P, Di]);
  const target = tf.stack(words.map((one) => tf.mean(one, 0)));
  // Every token of an image has the same target, so the sum over its tokens is all that the products need.
  const ofImage = tf.sum(x, 1);
  const next: Sums = {
    gram: tf.matMul(rows, rows, true, false),
    cross: tf.matMul(ofImage, target, true, false),
    inputs: tf.sum(ofImage, 0),
    targets: tf.mul(tf.sum(target, 0), P),
    targetSquares: tf.mul(tf.sum(tf.square(target)), P),
    wordSquares: tf.addN(words.map((one) => tf.mean(tf.square(one)))),
  };
  if (before === undefined) return next;
  const added = Object.entries(next).map(([key, tensor]) => [key, tf.add(tensor, before[key as keyof Sums])]);
  return Object.fromEntries(added) as Sums;
}

type HostSums = { [Key in keyof Sums | 'shift']: Float32Array };

async function readSums(sums: Sums, shift: Tensor): Promise<HostSums> {
  const entries = Object.entries({ ...sums, shift }).map(
    async ([key, tensor]) => [key, await tensor.data<'float32'>()] as const,
  );
  return Object.fromEntries(await Promise.all(entries)) as HostSums;
}

/** Centres the sums, solves, and stretches. */
function fitted(request: HostSums & { tokens: number; images: number; ridge: number }): FittedProjector {
  const { shift, tokens, ridge } = request;
  const Di = shift.length;
  const Dl = request.targets.length;
  const meanInput = Float64Array.from(request.inputs, (sum) => sum / tokens);
  const meanTarget = Float64Array.from(request.targets, (sum) => sum / tokens);
  const gram = centred(request.gram, { left: meanInput, right: meanInput, tokens });
  const cross = centred(request.cross, { left: meanInput, right: meanTarget, tokens });
  let trace = 0;
  for (let i = 0; i < Di; i++) trace += gram[i * Di + i] ?? 0;
  const penalty = Math.max((ridge * trace) / Di, Number.MIN_VALUE);
  for (let i = 0; i < Di; i++) gram[i * Di + i] = (gram[i * Di + i] ?? 0) + penalty;
  const solution = choleskySolve(gram, cross.slice());
  let both = 0;
  let own = 0;
  for (const [i, value] of solution.entries()) {
    both += value * (cross[i] ?? 0);
    own += value * value;
  }
  // The map's own output has this sum of squares, as (gram) solution = cross - penalty * solution.
  const outputSquares = Math.max(both - penalty * own, 0);
  const targetVariance = (request.targetSquares[0] ?? 0) - tokens * squares(meanTarget);
  const wordSpread = Math.sqrt((request.wordSquares[0] ?? 0) / request.images);
  const outputSpread = Math.sqrt(outputSquares / (tokens * Dl));
  const stretch = outputSpread > 0 ? wordSpread / outputSpread : 1;
  const explained = targetVariance > 0 ? (2 * both - outputSquares) / targetVariance : 0;
  return { ...affineOf({ solution, shift, meanInput, meanTarget, stretch }), explained };
}

/** Sum of products less the product of the sums: what the same sum would be over values less their means. */
function centred(
  sums: Float32Array,
  { left, right, tokens }: { left: Float64Array; right: Float64Array; tokens: number },
): Float64Array {
  const width = right.length;
  return Float64Array.from(
    sums,
    (sum, i) => sum - tokens * (left[Math.floor(i / width)] ?? 0) * (right[i % width] ?? 0),
  );
}

function squares(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value * value, 0);
}

/** Weight and bias as the projector has them: the bias takes the inputs' mean away again. */
function affineOf(request: {
  solution: Float64Array;
  shift: Float32Array;
  meanInput: Float64Array;
  meanTarget: Float64Array;
  stretch: number;
}): Pick<FittedProjector, 'weight' | 'bias'> {
  const { solution, shift, meanInput, meanTarget, stretch } = request;
  const Di = shift.length;
  const Dl = meanTarget.length;
  const weight = new Float32Array(Dl * Di);
  const bias = new Float32Array(Dl);
  for (let out = 0; out < Dl; out++) {
    let constant = meanTarget[out] ?? 0;
    for (let input = 0; input < Di; input++) {
      const value = stretch * (solution[input * Dl + out] ?? 0);
      weight[out * Di + input] = value;
      constant -= value * ((shift[input] ?? 0) + (meanInput[input] ?? 0));
    }
    bias[out] = constant;
  }
  return { weight, bias };
}

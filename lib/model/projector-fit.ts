/**
 * A start of the projector in closed form: the linear map that brings visual tokens nearest to the words that were said of their
 * image. Ridge regression over visual tokens; its output is then stretched to the spread of the word embeddings, which the
 * regression shrinks. Linear maps from frozen vision to frozen language carry meaning (Merullo et al. 2022, arXiv 2209.15162).
 */
import { type Tensor, tf } from '../engine/tf.ts';
import { choleskySolve } from './cholesky.ts';

/** Sums over the images seen so far, on the engine. */
export interface ProjectorFit {
  /** @param joined f32[N, P, Di] what the projector gets of N images, N at least 1 */
  add(joined: Tensor): void;
  /** @throws RangeError without images, or where the words are those of another number of images */
  solve(request: SolveRequest): Promise<FittedProjector>;
  dispose(): void;
}

export interface SolveRequest {
  /** What was said of the images that were added, in their order. */
  words: WordTargets;
  /** Weight of the penalty, in mean variances of an input. */
  ridge: number;
}

/** The words of images as the projector is to show them. */
export interface WordTargets {
  /** f32[N, Dl]: the weighted mean of the embeddings of an image's words. */
  means: Tensor;
  /** f32[]: the mean square of those embeddings, weighted alike, summed over the images. */
  squares: Tensor;
}

/**
 * @param table f32[V, Dl] word embeddings
 * @param words of each image the ids of its words, at least one
 * @param weights of each of these words; those of an image sum to 1
 */
export function wordTargets(
  table: Tensor,
  words: readonly Int32Array[],
  weights: readonly Float32Array[],
): WordTargets {
  const flat = words.flatMap((ids) => [...ids]);
  const images = words.flatMap((ids, image) => Array.from(ids, () => image));
  return tf.tidy(() => {
    const told = tf.gather(table, tf.tensor1d(flat, 'int32'));
    const shares = tf.tensor1d(weights.flatMap((row) => [...row]));
    return {
      means: tf.unsortedSegmentSum(tf.mul(told, tf.expandDims(shares, 1)), tf.tensor1d(images, 'int32'), words.length),
      squares: tf.sum(tf.mul(tf.mean(tf.square(told), 1), shares)),
    };
  });
}

/** weight f32[Dl, Di] and bias f32[Dl], row-major, and the share of the words' variance that they explain. */
export interface FittedProjector {
  weight: Float32Array;
  bias: Float32Array;
  explained: number;
}

/** What is summed; every value lies less a shift, the mean of the first images, so that float32 sums lose little. */
type Sums = {
  /** f32[Di, Di] of the inputs with themselves. */
  gram: Tensor;
  /** f32[N, Di] of the inputs of each image: all its tokens share one target, so the products need no more. */
  ofImages: Tensor;
};

/** Sums for a projector from Di to Dl channels. */
export function createProjectorFit(): ProjectorFit {
  let sums: Sums | undefined;
  let shift: Tensor | undefined;
  let tokensPerImage = 0;
  return {
    add(joined) {
      shift ??= tf.keep(tf.tidy(() => tf.mean(joined, [0, 1])));
      const next = tf.tidy(() => sumsOf(tf.sub(joined, shift as Tensor), sums));
      if (sums !== undefined) tf.dispose(sums);
      for (const tensor of Object.values(next)) tf.keep(tensor);
      sums = next;
      tokensPerImage = joined.shape[1] as number;
    },
    async solve({ words, ridge }) {
      if (sums === undefined || shift === undefined)
        throw new RangeError('a projector is fitted to at least one image');
      const images = sums.ofImages.shape[0] as number;
      if (words.means.shape[0] !== images)
        throw new RangeError(`words of ${words.means.shape[0]} images for ${images} images`);
      const read = await readSums({ ...sums, shift }, words, tokensPerImage);
      return fitted({ ...read, tokens: images * tokensPerImage, images, ridge });
    },
    dispose() {
      tf.dispose({ ...sums, ...(shift === undefined ? {} : { shift }) });
    },
  };
}

function sumsOf(x: Tensor, before: Sums | undefined): Sums {
  const [N, P, Di] = x.shape as [number, number, number];
  const rows = tf.reshape(x, [N * P, Di]);
  const gram = tf.matMul(rows, rows, true, false);
  const ofImages = tf.sum(x, 1);
  if (before === undefined) return { gram, ofImages };
  return { gram: tf.add(before.gram, gram), ofImages: tf.concat([before.ofImages, ofImages], 0) };
}

/** What the host solves with, over all tokens. */
interface HostSums {
  gram: Float32Array;
  /** f32[Di, Dl] of the inputs with the targets. */
  cross: Float32Array;
  /** f32[Di] */
  inputs: Float32Array;
  /** f32[Dl] */
  targets: Float32Array;
  /** f32[]: squares of the targets. */
  targetSquares: Float32Array;
  /** f32[]: mean squares of the words' embeddings, an image each. */
  wordSquares: Float32Array;
  /** f32[Di] */
  shift: Float32Array;
}

async function readSums(
  { gram, ofImages, shift }: Sums & { shift: Tensor },
  { means, squares }: WordTargets,
  P: number,
): Promise<HostSums> {
  const made = tf.tidy(() => ({
    cross: tf.matMul(ofImages, means, true, false),
    inputs: tf.sum(ofImages, 0),
    targets: tf.mul(tf.sum(means, 0), P),
    targetSquares: tf.mul(tf.sum(tf.square(means)), P),
  }));
  const entries = Object.entries({ ...made, gram, shift, wordSquares: squares }).map(
    async ([key, tensor]) => [key, await tensor.data<'float32'>()] as const,
  );
  const read = Object.fromEntries(await Promise.all(entries)) as unknown as HostSums;
  tf.dispose(made);
  return read;
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

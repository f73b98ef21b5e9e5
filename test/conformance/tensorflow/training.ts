/** A perceptron of three layers trained by gradient descent through `tf.variableGrads`, the same on every backend. */
import { type Scalar, type Tensor, tf } from '../../../lib/engine/tf.ts';
import { randomTensor } from '../../support/tensors.ts';

export interface Training {
  losses: number[];
  weights: Float32Array[];
}

/** One function that trains for a number of steps, and one that frees its tensors. */
export function perceptron(): { step: () => number; weights: () => Float32Array[]; dispose: () => void } {
  const x = randomTensor([48, 96], 1);
  const target = randomTensor([48, 8], 2);
  const layers = [
    [96, 128],
    [128, 128],
    [128, 8],
  ].map((shape, i) => tf.tidy(() => tf.variable(randomTensor(shape, 10 + i, 0.1))));
  const loss = () => {
    const y = layers.reduce<Tensor>((h, w, i) => (i === 2 ? tf.matMul(h, w) : tf.tanh(tf.matMul(h, w))), x);
    return tf.mean(tf.squaredDifference(y, target)) as Scalar;
  };
  return {
    step: () =>
      tf.tidy(() => {
        const { value, grads } = tf.variableGrads(loss, layers);
        for (const w of layers) w.assign(tf.sub(w, tf.mul(grads[w.name]!, 0.5)));
        return value.dataSync()[0]!;
      }),
    weights: () => layers.map((w) => Float32Array.from(w.dataSync())),
    dispose: () => tf.dispose([x, target, ...layers]),
  };
}

/** Losses and final weights of a training of `steps` steps. */
export function digestibleTraining(steps: number): Training {
  const model = perceptron();
  const losses = Array.from({ length: steps }, model.step);
  const weights = model.weights();
  model.dispose();
  return { losses, weights };
}

/**
 * Computes graph.json of a tfjs export with TensorFlow.js's own operations and nothing of the project's: what the description leaves
 * unsaid, this could not know.
 */
import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';

type Size = number | 'B' | 'T' | 'N';

interface Step {
  op: string;
  in: string[];
  out: string[];
  shape: Size[];
  weights?: Record<string, string>;
  with?: Record<string, unknown>;
}

interface Graph {
  inputs: { name: string; shape: Size[] }[];
  outputs: { name: string; shape: Size[] }[];
  blocks: { times: number; steps: Step[] }[];
}

/** Inputs of a step, its weights and settings. */
interface Call {
  x: tf.Tensor[];
  w: Record<string, tf.Tensor>;
  number(setting: string): number;
  list(setting: string): number[];
  flag(setting: string): boolean;
  has(setting: string): boolean;
  /** How many outputs the step names. */
  parts: number;
  sizes: Record<string, number>;
}

const at = (shape: number[], axis: number): number => shape[axis]!;

function attention({ x: [q, k, v], flag }: Call): tf.Tensor {
  const group = at(q!.shape, 1) / at(k!.shape, 1);
  const heads = (t: tf.Tensor): tf.Tensor =>
    tf.concat(
      Array.from({ length: at(q!.shape, 1) }, (_, h) => t.slice([0, Math.floor(h / group), 0, 0], [-1, 1, -1, -1])),
      1,
    );
  let scores: tf.Tensor = tf.matMul(q!, heads(k!), false, true).div(Math.sqrt(at(q!.shape, 3)));
  if (flag('causal')) {
    const L = at(q!.shape, 2);
    scores = scores.add(
      tf.tensor2d(Array.from({ length: L }, (_, i) => Array.from({ length: L }, (_, j) => (j > i ? -1e9 : 0)))),
    );
  }
  return tf.matMul(tf.softmax(scores), heads(v!));
}

function rope({ x: [x, positions], number, list, has }: Call): tf.Tensor {
  const half = at(x!.shape, 3) / 2;
  const turn = tf.tensor1d(
    has('frequencies') ? list('frequencies') : Array.from({ length: half }, (_, j) => number('base') ** (-j / half)),
  );
  const angle = tf.mul(tf.expandDims(tf.expandDims(tf.cast(positions!, 'float32'), 1), 3), turn);
  const [a, b] = tf.split(x!, 2, 3) as [tf.Tensor, tf.Tensor];
  const [cos, sin] = [tf.cos(angle), tf.sin(angle)];
  return tf.concat([a.mul(cos).sub(b.mul(sin)), b.mul(cos).add(a.mul(sin))], 3);
}

function linear({ x: [x], w }: Call): tf.Tensor {
  const rows = tf.reshape(x!, [-1, at(w['weight']!.shape, 1)]);
  const y = tf.matMul(rows as tf.Tensor2D, w['weight'] as tf.Tensor2D, false, true);
  const out = tf.reshape(y, [...x!.shape.slice(0, -1), at(w['weight']!.shape, 0)]);
  return w['bias'] === undefined ? out : out.add(w['bias']);
}

const OPS: Record<string, (call: Call) => tf.Tensor | tf.Tensor[]> = {
  conv2d: ({ x, w, number }) => {
    const image = tf.transpose(x[0]!, [0, 2, 3, 1]) as tf.Tensor4D;
    const filter = tf.transpose(w['weight']!, [2, 3, 1, 0]) as tf.Tensor4D;
    return tf.transpose(tf.conv2d(image, filter, number('stride'), 'valid').add(w['bias']!), [0, 3, 1, 2]);
  },
  reshape: ({ x, list }) => tf.reshape(x[0]!, list('shape')),
  transpose: ({ x, list }) => tf.transpose(x[0]!, list('axes')),
  concat: ({ x, number }) => tf.concat(x, number('axis')),
  split: ({ x, parts, number }) => tf.split(x[0]!, parts, number('axis')),
  slice: ({ x, list }) => tf.slice(x[0]!, list('begin')),
  repeat: ({ w, sizes }) => tf.tile(w['weight']!, [sizes['N']!, 1, 1]),
  add: ({ x, w }) => tf.add(x[0]!, x[1] ?? w['weight']!),
  multiply: ({ x, w, number }) => tf.mul(x[0]!, x[1] ?? w['weight'] ?? number('by')),
  linear,
  layer_norm: ({ x, w, number }) => {
    const { mean, variance } = tf.moments(x[0]!, -1, true);
    return x[0]!
      .sub(mean)
      .div(tf.sqrt(variance.add(number('eps'))))
      .mul(w['weight']!)
      .add(w['bias']!);
  },
  rms_norm: ({ x, w, number }) =>
    x[0]!.div(tf.sqrt(tf.mean(tf.square(x[0]!), -1, true).add(number('eps')))).mul(w['weight']!),
  gelu: ({ x }) => x[0]!.mul(tf.erf(x[0]!.div(Math.SQRT2)).add(1)).div(2),
  silu: ({ x }) => x[0]!.mul(tf.sigmoid(x[0]!)),
  split_heads: ({ x, number }) => {
    const [R, L, D] = x[0]!.shape as [number, number, number];
    return tf.transpose(tf.reshape(x[0]!, [R, L, D / number('width'), number('width')]), [0, 2, 1, 3]);
  },
  merge_heads: ({ x }) => {
    const [R, H, L, W] = x[0]!.shape as [number, number, number, number];
    return tf.reshape(tf.transpose(x[0]!, [0, 2, 1, 3]), [R, L, H * W]);
  },
  rope,
  attention,
  gather: ({ x, w }) => tf.gather(w['weight']!, x[0] as tf.Tensor1D),
  place_images: ({ x: [text, images, sources] }) => {
    const D = at(text!.shape, 2);
    return tf.gather(tf.concat([tf.reshape(text!, [-1, D]), tf.reshape(images!, [-1, D])], 0), sources as tf.Tensor2D);
  },
};

function settings({ op, with: values = {} }: Step): Pick<Call, 'number' | 'list' | 'flag' | 'has'> {
  const get = <T>(is: (value: unknown) => value is T) => {
    return (key: string): T => {
      const value = values[key];
      return is(value) ? value : assert.fail(`${op} needs ${key}`);
    };
  };
  return {
    number: get((value) => typeof value === 'number'),
    list: get((value): value is number[] => Array.isArray(value) && value.every((item) => typeof item === 'number')),
    flag: get((value) => typeof value === 'boolean'),
    has: (key) => values[key] !== undefined,
  };
}

/**
 * Computes a graph and holds every shape against what the graph says.
 * @param weights by name in the weights' manifest
 * @param inputs by name, with B, T and N as their shapes say
 * @returns the outputs; the caller disposes them
 */
export function runGraph(graph: Graph, weights: tf.NamedTensorMap, inputs: tf.NamedTensorMap): tf.NamedTensorMap {
  const sizes = {
    N: at(inputs['pixels']!.shape, 0),
    B: at(inputs['sources']!.shape, 0),
    T: at(inputs['sources']!.shape, 1),
  };
  const sized = (shape: Size[]): number[] => shape.map((size) => (typeof size === 'number' ? size : sizes[size]));
  return tf.tidy(() => {
    const named: Record<string, tf.Tensor> = {};
    for (const { name, shape } of graph.inputs) {
      assert.deepEqual(inputs[name]?.shape, sized(shape), name);
      named[name] = inputs[name]!;
    }
    for (const { times, steps } of graph.blocks) {
      for (let i = 0; i < times; i++) for (const step of steps) runStep(step, i);
    }
    return Object.fromEntries(
      graph.outputs.map(({ name, shape }) => {
        assert.deepEqual(named[name]?.shape, sized(shape), name);
        return [name, named[name]!];
      }),
    );

    function runStep(step: Step, i: number): void {
      const say = `${step.op}(${step.in.join()}) -> ${step.out.join()}`;
      const find = <T>(found: T | undefined, name: string): T => found ?? assert.fail(`${say} asks for ${name}`);
      const w = Object.entries(step.weights ?? {}).map(([role, name]) => {
        const full = name.replace('{i}', String(i));
        return [role, find(weights[full], full)] as const;
      });
      const x = step.in.map((name) => find(named[name], name));
      const op = find(OPS[step.op], step.op);
      const call = { x, w: Object.fromEntries(w), parts: step.out.length, sizes, ...settings(step) };
      const results = [op(call)].flat();
      for (const [place, name] of step.out.entries()) {
        assert.deepEqual(results[place]?.shape, sized(step.shape), say);
        named[name] = results[place]!;
      }
    }
  });
}

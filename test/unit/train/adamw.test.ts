import assert from 'node:assert/strict';
import { afterEach, before, describe, it } from 'node:test';
import { liveTensors } from '../../../lib/engine/memory.ts';
import { registerFusedKernels } from '../../../lib/engine/ops/index.ts';
import { type Rank, type Tensor, tf, type Variable } from '../../../lib/engine/tf.ts';
import { type AdamW, type AdamWOptions, createAdamW, decays } from '../../../lib/train/adamw.ts';
import { clipFactor, globalNorm } from '../../../lib/train/clip.ts';

before(async () => {
  await tf.setBackend('cpu');
  registerFusedKernels('cpu', {});
});

const OPTIONS: AdamWOptions = { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.1 };

const open: { optimizer: AdamW; parameters: Map<string, Variable> }[] = [];
afterEach(() => {
  for (const { optimizer, parameters } of open.splice(0)) {
    optimizer.dispose();
    tf.dispose([...parameters.values()]);
  }
});

function setUp(options: Partial<AdamWOptions> = {}): { optimizer: AdamW; parameters: Map<string, Variable> } {
  const parameters = new Map<string, Variable>([
    ['w', tf.tidy(() => tf.variable<Rank>(tf.tensor2d([1, -2, 3, 0.5], [2, 2])))],
    ['b', tf.tidy(() => tf.variable<Rank>(tf.tensor1d([0.25, -0.75])))],
  ]);
  const made = { parameters, optimizer: createAdamW(parameters, { ...OPTIONS, ...options }) };
  open.push(made);
  return made;
}

/** One update with these gradient values; null for none. */
function step(optimizer: AdamW, lr: number, w: number[] | null, b: number[] | null): void {
  const gradients = new Map<string, Tensor | null>([
    ['w', w === null ? null : tf.tensor2d(w, [2, 2])],
    ['b', b === null ? null : tf.tensor1d(b)],
  ]);
  optimizer.update({ gradients, lr });
  tf.dispose([...gradients.values()].filter((gradient) => gradient !== null));
}

const values = (variable: Tensor | undefined): number[] => [...variable!.dataSync()];

/** The update rule in float64, straight from the paper. */
function expected(param: number, grads: number[], options: { lr: number; decay: number }): number {
  let [p, m, v] = [param, 0, 0];
  for (const [i, g] of grads.entries()) {
    p *= 1 - options.lr * options.decay;
    m = 0.9 * m + 0.1 * g;
    v = 0.999 * v + 0.001 * g * g;
    p -= (options.lr * (m / (1 - 0.9 ** (i + 1)))) / (Math.sqrt(v / (1 - 0.999 ** (i + 1))) + 1e-8);
  }
  return p;
}

describe('AdamW', () => {
  it('follows the paper over several steps and decays matrices only', () => {
    const { optimizer, parameters } = setUp();
    const gradients = [
      [0.1, -0.2, 0.3, 4],
      [-0.5, 0.2, 0, 1],
      [0.01, 0.02, 3, -2],
    ];
    for (const g of gradients) step(optimizer, 0.01, g, g.slice(0, 2));
    for (const [i, start] of [1, -2, 3, 0.5].entries()) {
      const want = expected(
        start,
        gradients.map((g) => g[i]!),
        { lr: 0.01, decay: 0.1 },
      );
      assert.ok(Math.abs(values(parameters.get('w'))[i]! - want) < 1e-6);
    }
    for (const [i, start] of [0.25, -0.75].entries()) {
      const want = expected(
        start,
        gradients.map((g) => g[i]!),
        { lr: 0.01, decay: 0 },
      );
      assert.ok(Math.abs(values(parameters.get('b'))[i]! - want) < 1e-6);
    }
  });

  it('leaves a parameter without gradient, its moments and its step count untouched', () => {
    const { optimizer, parameters } = setUp();
    step(optimizer, 0.01, [1, 1, 1, 1], [1, 1]);
    const before = [values(parameters.get('w')), values(optimizer.state.get('w')!.expAvg)];
    step(optimizer, 0.01, null, [1, 1]);
    assert.deepEqual([values(parameters.get('w')), values(optimizer.state.get('w')!.expAvg)], before);
    assert.equal(optimizer.state.get('w')?.step, 1);
    assert.equal(optimizer.state.get('b')?.step, 2);
  });

  it('treats a missing gradient as zero when asked to, but only after a first gradient', () => {
    const { optimizer, parameters } = setUp({ zeroMissingGradients: true });
    step(optimizer, 0.01, null, null);
    assert.deepEqual(values(parameters.get('w')), [1, -2, 3, 0.5]);
    step(optimizer, 0.01, [1, 1, 1, 1], [1, 1]);
    step(optimizer, 0.01, null, null);
    assert.ok(Math.abs(values(parameters.get('w'))[0]! - expected(1, [1, 0], { lr: 0.01, decay: 0.1 })) < 1e-6);
    assert.equal(optimizer.state.get('w')?.step, 2);
  });

  it('continues from restored moments exactly as if it had not stopped', () => {
    const one = setUp();
    for (let i = 0; i < 3; i++) step(one.optimizer, 0.01, [1, -1, i, 0.5], [i, 2]);
    const two = setUp();
    for (const [name, parameter] of two.parameters) parameter.assign(one.parameters.get(name)!);
    const saved = new Map(
      [...one.optimizer.state].map(([name, { step: count, expAvg, expAvgSq }]) => [
        name,
        { step: count, expAvg: Float32Array.from(values(expAvg)), expAvgSq: Float32Array.from(values(expAvgSq)) },
      ]),
    );
    two.optimizer.restore(saved);
    for (const { optimizer } of [one, two]) step(optimizer, 0.02, [0.3, 0.2, 0.1, 0], [1, 1]);
    for (const [name, parameter] of one.parameters)
      assert.deepEqual(values(parameter), values(two.parameters.get(name)));
  });

  it('refuses gradients and saved moments that do not fit, and changes nothing then', () => {
    const { optimizer, parameters } = setUp();
    const gradient = tf.zeros([2, 2]);
    assert.throws(() => optimizer.update({ gradients: new Map([['w', gradient]]), lr: 1 }), {
      code: 'E_OPTIMIZER_STATE',
      found: 'no b',
    });
    gradient.dispose();
    const two = new Float32Array(2).fill(1);
    const good = { step: 1, expAvg: two, expAvgSq: two };
    for (const w of [good, { ...good, expAvg: new Float32Array(4) }, { step: -1, expAvg: two, expAvgSq: two }]) {
      assert.throws(
        () =>
          optimizer.restore(
            new Map([
              ['b', good],
              ['w', w],
            ]),
          ),
        { code: 'E_OPTIMIZER_STATE' },
      );
    }
    assert.throws(() => optimizer.restore(new Map([['b', good]])), { code: 'E_OPTIMIZER_STATE' });
    assert.deepEqual(values(optimizer.state.get('b')?.expAvg), [0, 0]);
    assert.deepEqual(values(parameters.get('w')), [1, -2, 3, 0.5]);
  });

  it('gains no tensor by updates and frees everything in the end', () => {
    const start = liveTensors().tensors;
    const { optimizer, parameters } = setUp({ zeroMissingGradients: true });
    step(optimizer, 0.01, [1, 1, 1, 1], [1, 1]);
    const live = liveTensors().tensors;
    step(optimizer, 0.01, null, [1, 1]);
    assert.equal(liveTensors().tensors, live);
    open.pop();
    optimizer.dispose();
    tf.dispose([...parameters.values()]);
    assert.equal(liveTensors().tensors, start);
  });

  it('knows both rules of decay', () => {
    assert.equal(decays('matrices', 'alnus.weight', 2), true);
    assert.equal(decays('reference-substring', 'alnus.weight', 2), false);
    assert.equal(decays('reference-substring', 'llama_proj.weight', 2), true);
    assert.equal(decays('matrices', 'llama_proj.bias', 1), false);
  });
});

describe('clipping', () => {
  it('updates by gradients that count a part as by gradients of that part', () => {
    const gradient = tf.tensor1d([3, -4, 0.5]);
    const updated = [0.125, undefined].map((gradScale) => {
      const parameters = new Map([['a', tf.variable(tf.tensor1d([1, 2, 3]))]]);
      const optimizer = createAdamW(parameters, { betas: [0.9, 0.99], eps: 1e-8, weightDecay: 0.1 });
      const given = gradScale === undefined ? tf.mul(gradient, 0.125) : gradient;
      optimizer.update({ gradients: new Map([['a', given]]), lr: 0.1, gradScale });
      return [
        ...parameters.values(),
        ...[...optimizer.state.values()].flatMap(({ expAvg, expAvgSq }) => [expAvg, expAvgSq]),
      ].map((tensor) => Array.from(tensor.dataSync()));
    });
    assert.deepEqual(updated[0], updated[1]);
  });

  it('measures one norm over all gradients and shortens them to the limit', async () => {
    const gradients = new Map<string, Tensor | null>([
      ['a', tf.tensor2d([3, 0], [1, 2])],
      ['b', tf.tensor1d([-4])],
      ['c', null],
    ]);
    assert.ok(Math.abs((await globalNorm(gradients)) - 5) < 1e-6);
    assert.equal(clipFactor(5, 10), 1);
    assert.ok(Math.abs(5 * clipFactor(5, 1) - 1) < 1e-5);
    assert.equal(await globalNorm(new Map([['c', null]])), 0);
    for (const gradient of gradients.values()) gradient?.dispose();
  });

  it('gives a norm that is not finite for a gradient that is not', async () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const gradient = tf.tensor1d([1, bad]);
      assert.equal(Number.isFinite(await globalNorm(new Map([['a', gradient]]))), false);
      gradient.dispose();
    }
  });
});

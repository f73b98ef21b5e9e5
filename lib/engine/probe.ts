/** The child process of `runProbe`: opens one engine, computes, and prints the answer as one line of JSON. */

import { TristageError } from '../core/errors.ts';
import { openEngine } from './engine.ts';
import { ANSWER, type ProbeAnswer, type ProbeRequest, type ProbeResult } from './probe-run.ts';
import { tf } from './tf.ts';

/** A product and a gradient whose values are known. */
async function check(backend: string): Promise<void> {
  const a = tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]);
  const product = await tf.matMul(a, a, false, true).data();
  const w = tf.variable(tf.tensor1d([1, -2, 3]));
  const { grads } = tf.variableGrads(() => tf.sum(tf.square(tf.mul(w, 3))), [w]);
  const gradient = await grads[w.name]!.data();
  const found = [...product, ...gradient].join(' ');
  const expected = '14 32 32 77 18 -36 54';
  if (found === expected) return;
  throw new TristageError({
    kind: 'environment',
    code: 'E_ENGINE_CHECK',
    message: `the engine '${backend}' computes wrong numbers`,
    found,
    expected,
    fix: `tristage setup --engine ${backend}`,
  });
}

/** Milliseconds of one call: the median of several, after two to warm up; each call waits for its result. */
async function medianMs(run: () => Promise<unknown>, repeats: number): Promise<number> {
  const times: number[] = [];
  for (let i = -2; i < repeats; i++) {
    const start = performance.now();
    await run();
    if (i >= 0) times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[Math.floor(repeats / 2)]!;
}

/** GFLOP/s of a float32 product of two square matrices. */
async function measureProduct(size: number): Promise<number> {
  const a = tf.randomNormal([size, size], 0, 1, 'float32', 1);
  const ms = await medianMs(async () => {
    const product = tf.matMul(a, a);
    const corner = tf.slice(product, [0, 0], [1, 1]);
    await corner.data();
    tf.dispose([product, corner]);
  }, 7);
  a.dispose();
  return (2 * size ** 3) / (ms * 1e6);
}

/** Milliseconds of one step of gradient descent on a perceptron of four layers, 256 wide, batch 64. */
async function measureStep(): Promise<number> {
  const x = tf.randomNormal([64, 256], 0, 1, 'float32', 1);
  const layers = [2, 3, 4, 5].map((seed) => tf.variable(tf.randomNormal([256, 256], 0, 0.06, 'float32', seed)));
  const loss = () => {
    let y: ReturnType<typeof tf.tanh> = x;
    for (const w of layers) y = tf.tanh(tf.matMul(y, w));
    return tf.mean(tf.square(y)) as ReturnType<typeof tf.scalar>;
  };
  return medianMs(async () => {
    const { value, grads } = tf.variableGrads(loss, layers);
    tf.tidy(() => {
      for (const w of layers) w.assign(tf.sub(w, tf.mul(grads[w.name]!, 0.01)));
    });
    await value.data();
    tf.dispose([value, grads]);
  }, 15);
}

async function answer(request: ProbeRequest): Promise<ProbeResult> {
  const { backend, device, threads } = request;
  const info = await openEngine({ backend, device, ...(threads === undefined ? {} : { threads }) });
  await check(backend);
  const result: ProbeResult = {
    backend: info.backend,
    device: info.device,
    version: info.version,
    threads: info.threads,
  };
  if (!request.measure) return result;
  return { ...result, gflops: await measureProduct(1024), stepMs: await measureStep() };
}

function describe(error: unknown): ProbeAnswer {
  if (error instanceof TristageError) {
    const { code, message, found, fix } = error;
    return { ok: false, error: { code, message, found, fix } };
  }
  return {
    ok: false,
    error: { code: 'E_ENGINE_LOAD', message: error instanceof Error ? error.message : String(error) },
  };
}

const reply = await answer(JSON.parse(process.argv[2] ?? '{}') as ProbeRequest).then(
  (result): ProbeAnswer => ({ ok: true, result }),
  describe,
);
process.stdout.write(`\n${ANSWER}${JSON.stringify(reply)}\n`);

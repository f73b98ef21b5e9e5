/** Our side of `tristage bench overhead`: the time of an operation, and of a layer, where the computing is nothing. */
import { valueAndGrads } from '../../engine/autograd/index.ts';
import { openEngine } from '../../engine/engine.ts';
import { type Scalar, type Tensor, tf } from '../../engine/tf.ts';
import { native, operator } from '../../engine/torch/binding.ts';
import { headWidth, type ModelConfig } from '../../model/config.ts';
import { llamaHidden } from '../../model/llama/model.ts';
import { consecutivePositions, ropeTables } from '../../model/llama/rope.ts';
import { createMiniGpt } from '../../model/minigpt.ts';
import { disposeParams, trainableOf } from '../../model/store.ts';
import { servePeer } from './peer.ts';

const [backend, threads] = process.argv.slice(2);
const engine = await openEngine({
  backend: backend as 'torch' | 'tensorflow',
  device: 'cpu',
  threads: Number(threads),
});

/** Seconds of one call, of so many. */
function timed(count: number, call: () => void): number {
  const start = performance.now();
  for (let i = 0; i < count; i++) call();
  return (performance.now() - start) / 1000 / count;
}

/** Straight through the addon: the operator, its result as a handle, and the handle's release. */
function addonCall(count: number): number {
  const add = operator('aten::add.Tensor');
  const one = Float32Array.of(1);
  const [a, b] = [1, 2].map(() => native().fromData(one, 'float32', [1], 'float32', 'cpu')) as [number, number];
  const seconds = timed(count, () => native().release(add(a, b)));
  native().release(a);
  native().release(b);
  return seconds;
}

/** As model code does it: tfjs's engine, its tensors, our kernel, the addon. */
function tfCall(count: number): number {
  const [a, b] = [tf.scalar(1), tf.scalar(2)] as [Scalar, Scalar];
  const seconds = timed(count, () => tf.add(a, b).dispose());
  a.dispose();
  b.dispose();
  return seconds;
}

/** A layer of LLaMA with adapters, forward and backward, on sizes that take no time; as overhead.py has it. */
const LAYERS = 8;
const TOKENS = 16;
const TINY: ModelConfig = {
  vision: { imageSize: 28, patch: 14, width: 8, depth: 1, heads: 1, mlpHidden: 8, eps: 1e-6, lnEps: 1e-5 },
  join: 4,
  llm: {
    vocabulary: 16,
    width: 64,
    mlpHidden: 128,
    layers: LAYERS,
    heads: 2,
    kvHeads: 2,
    rmsEps: 1e-5,
    ropeBase: 10000,
    tieEmbeddings: false,
  },
  lora: { rank: 4, alpha: 4, dropout: 0.05, targets: ['q_proj', 'v_proj'] },
};

function layerCall(count: number): number {
  const { store, params } = createMiniGpt({ config: TINY, trainable: (name) => name.includes('lora_'), seed: 1 });
  const { llm: config } = TINY;
  const tables = ropeTables({
    positions: consecutivePositions(TOKENS),
    rows: 1,
    headWidth: headWidth(config),
    base: config.ropeBase,
  });
  const dropout = { rate: 0.05, seed: 1, step: 0, rows: [0] };
  const context = { config, rope: tables, lora: params.lora, dropout };
  const embeddings = tf.fill([1, TOKENS, config.width], 0.5) as Tensor;
  const variables = [...trainableOf(store).values()];
  const pass = (): void => {
    const loss = () => tf.sum(llamaHidden({ embeddings, params: params.llama, context }));
    const { value, grads } = valueAndGrads(loss, variables);
    value.dispose();
    for (const grad of grads) grad?.dispose();
  };
  const seconds = timed(count, pass) / LAYERS;
  tf.dispose([embeddings, tables.cos, tables.sin]);
  disposeParams(store);
  return seconds;
}

const CALLS: Readonly<Record<string, (count: number) => number>> = { addon: addonCall, tf: tfCall, layer: layerCall };

const time = ({ call, count }: { call: string; count: number }) => ({ seconds: CALLS[call]!(count) });

await servePeer({
  time: (command) => time(command as never),
  describe: () => engine,
});

/**
 * What bfloat16 storage of frozen weights costs in accuracy: losses, logits and gradients of a model whose frozen matrices lie in bfloat16,
 * against the same model in float32. `tsx test/parity/storage-error.ts [RUN]`: the golden fixture, the presets mid (random weights) and
 * smol (published ones, where they were fetched), or instead a trained run. A table in Markdown.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { registry } from '../../bin/registry.ts';
import { cacheDir } from '../../lib/core/paths.ts';
import { llama2Tokenizer, type Tokenizer } from '../../lib/data/tokenizer.ts';
import { openTokenizerFile } from '../../lib/data/tokenizer-file.ts';
import { valueAndGrads } from '../../lib/engine/autograd/index.ts';
import { maskedCrossEntropy } from '../../lib/engine/ops/index.ts';
import { storedIn } from '../../lib/engine/precision.ts';
import { type Tensor, tf } from '../../lib/engine/tf.ts';
import { parityInputs } from '../../lib/export/parity.ts';
import { deviceBatch, disposeBatch } from '../../lib/model/batch.ts';
import type { ModelConfig } from '../../lib/model/config.ts';
import { llamaHidden, llamaLogits } from '../../lib/model/llama/model.ts';
import { blockContext, disposeMiniGpt, inputEmbeddings, type MiniGpt } from '../../lib/model/minigpt.ts';
import { preset } from '../../lib/model/presets.ts';
import { trainableOf, type WeightStorage } from '../../lib/model/store.ts';
import { modelConfigOf } from '../../lib/run/model-config.ts';
import { openRun } from '../../lib/run/open-run.ts';
import { openTokenizer } from '../../lib/run/tokenizer.ts';
import { knownTokenizer } from '../../lib/run/vocabulary.ts';
import { type AssembleRequest, assembleModel } from '../../lib/run/weights.ts';
import { openTestEngine } from '../support/engine.ts';

interface Subject {
  name: string;
  tokenizer: Tokenizer;
  request: Pick<AssembleRequest, 'config' | 'weights' | 'checkpoint'>;
}

const trains = (name: string): boolean => /\.lora_|^llama_proj\./.test(name);

interface Numbers {
  losses: Float32Array;
  logits: Float32Array;
  gradient: Float32Array;
}

/** Losses and logits at every token of text, and the gradient of the mean loss by everything that trains, as one vector. */
async function numbersOf({ request, tokenizer }: Subject, storage: WeightStorage): Promise<Numbers> {
  const { model } = await assembleModel({ ...request, trainable: trains, storage, seed: 1 });
  stirAdapters(model);
  const { tokenIds, attentionMask, shape, pixels } = parityInputs(model.config, tokenizer);
  const labels = tokenIds.map((id, place) => (attentionMask[place] === 1 && id >= 0 ? id : -1));
  const batch = deviceBatch({ tokenIds, labels, attentionMask, shape, pixels }, model.config);
  const { params } = model;
  const { value, aux, grads } = valueAndGrads(() => {
    const embeddings = inputEmbeddings(model, batch);
    const hidden = llamaHidden({ embeddings, params: params.llama, context: blockContext(model, batch) });
    const logits = llamaLogits({ hidden, params: params.llama, rows: batch.rows });
    const losses = maskedCrossEntropy(logits, batch.labels);
    return [tf.mean(losses), losses, logits];
  }, [...trainableOf(model.store).values()]);
  const flat = tf.tidy(() => tf.concat(grads.filter((grad) => grad !== null).map((grad) => tf.reshape(grad, [-1]))));
  const values = (tensor: Tensor): Float32Array => Float32Array.from(tensor.dataSync());
  const [losses, logits, gradient] = [aux[0]!, aux[1]!, flat].map(values) as [Float32Array, Float32Array, Float32Array];
  tf.dispose([value, flat, ...aux, ...grads.filter((grad): grad is Tensor => grad !== null)]);
  disposeBatch(batch);
  disposeMiniGpt(model);
  return { losses, logits, gradient };
}

/** B of an adapter starts at zero, where A has no gradient and the adapter no effect. */
function stirAdapters({ store }: MiniGpt): void {
  for (const [name, tensor] of trainableOf(store)) {
    if (!name.endsWith('lora_B.weight') || tensor.abs().max().dataSync()[0] !== 0) continue;
    const noise = tf.randomNormal(tensor.shape, 0, 0.01, 'float32', 7);
    tensor.assign(noise);
    noise.dispose();
  }
}

const norm = (values: Float32Array): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
const difference = (a: Float32Array, b: Float32Array): Float32Array => a.map((value, i) => value - b[i]!);
const largest = (values: Float32Array): number => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const mean = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function sameChoices(a: Numbers, b: Numbers): number {
  const rows = a.losses.length;
  const width = a.logits.length / rows;
  const best = (logits: Float32Array, row: number): number => {
    const of = logits.subarray(row * width, (row + 1) * width);
    return of.indexOf(of.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY));
  };
  let same = 0;
  for (let row = 0; row < rows; row++) if (best(a.logits, row) === best(b.logits, row)) same++;
  return same / rows;
}

async function report(subject: Subject): Promise<string> {
  const inFormat = (precision: 'float32' | 'bf16'): WeightStorage => {
    const groups = /^(visual_encoder|llama_model)\./;
    return (name, shape) => storedIn({ precision, shape, frozen: groups.test(name) && !trains(name) });
  };
  const wide = await numbersOf(subject, inFormat('float32'));
  const narrow = await numbersOf(subject, inFormat('bf16'));
  const gradient = norm(difference(narrow.gradient, wide.gradient)) / norm(wide.gradient);
  const cells = [
    mean(wide.losses).toFixed(4),
    (mean(narrow.losses) - mean(wide.losses)).toExponential(1),
    largest(difference(narrow.losses, wide.losses)).toExponential(1),
    (largest(difference(narrow.logits, wide.logits)) / largest(wide.logits)).toExponential(1),
    `${(100 * sameChoices(narrow, wide)).toFixed(1)} %`,
    gradient.toExponential(1),
  ];
  return `| ${subject.name} | ${wide.losses.length} | ${cells.join(' | ')} |`;
}

const withoutDropout = (config: ModelConfig): ModelConfig =>
  config.lora === undefined ? config : { ...config, lora: { ...config.lora, dropout: 0 } };

async function subjects(run: string | undefined): Promise<Subject[]> {
  if (run !== undefined) {
    const { config, checkpoint } = await openRun(run, { registry });
    const { whole } = await openTokenizer(config.model, knownTokenizer(checkpoint));
    const request = { config: withoutDropout(modelConfigOf(config)), weights: config.model.weights };
    return [{ name: config.name, tokenizer: whole, request: { ...request, checkpoint: checkpoint.modelFile } }];
  }
  const tokenizer = await llama2Tokenizer();
  const random = ['tiny', 'mid'].map(
    (name): Subject => ({ name, tokenizer, request: { config: withoutDropout(preset(name)), weights: {} } }),
  );
  const folder = join(cacheDir(), 'weights', 'smol');
  const [vision, llm] = [join(folder, 'vision.safetensors'), join(folder, 'llm')];
  if (!existsSync(vision)) return random;
  const own = (await openTokenizerFile(llm)).tokenizer;
  const config = withoutDropout(preset('smol'));
  return [...random, { name: 'smol', tokenizer: own, request: { config, weights: { vision, llm } } }];
}

await openTestEngine();
const head = [
  'model',
  'tokens',
  'mean loss',
  'change of it',
  'largest of a token',
  'logits',
  'same choice',
  'gradient',
];
console.log(`| ${head.join(' | ')} |\n|${head.map(() => '---').join('|')}|`);
for (const subject of await subjects(process.argv[2])) console.log(await report(subject));

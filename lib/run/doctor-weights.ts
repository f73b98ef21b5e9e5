/** `tristage doctor --weights`: whether weights are those of a language model, by how well it continues a paragraph. */

import { openImport } from '../checkpoint/import.ts';
import { publishedLlama } from '../checkpoint/llama-settings.ts';
import { mainFile } from '../checkpoint/weights-file.ts';
import { TristageError } from '../core/errors.ts';
import { llama2Tokenizer, type Tokenizer } from '../data/tokenizer.ts';
import { openTokenizerFile } from '../data/tokenizer-file.ts';
import { openEngine } from '../engine/engine.ts';
import { maskedCrossEntropy } from '../engine/ops/index.ts';
import { tf } from '../engine/tf.ts';
import { toFloat32 } from '../formats/host-tensor.ts';
import { headWidth, type LlamaConfig } from '../model/config.ts';
import { embedTokens, llamaHidden, llamaLogits } from '../model/llama/model.ts';
import { consecutivePositions, ropeTables } from '../model/llama/rope.ts';
import { llamaParams } from '../model/params.ts';
import { llamaShapes } from '../model/shapes.ts';
import { disposeParams, loadParams, type ParamStore } from '../model/store.ts';
import type { Finding } from './doctor.ts';

/** Plain English that no data set holds. */
const PARAGRAPH =
  'Early in the morning the baker opened the door of his small shop and swept the snow from the steps. Inside, the oven was already ' +
  'warm, and the smell of fresh bread filled the street. A woman with a red scarf came in, bought two loaves and a cake for her ' +
  'daughter, and asked whether the bridge over the river was still closed. He said that it would open again on Monday, if the ' +
  'weather allowed it, and that until then everyone had to take the long way around the hill.';

/** Measured on the paragraph: SmolLM2-135M in four bits has 2.98; with the rows of its q and k out of order, 4.60. */
const LARGEST_LOSS = 4;

export interface WeightsCheck {
  path: string;
  /** Tokens of the paragraph that were predicted. */
  tokens: number;
  /** Mean negative log-likelihood of a token, in nats. */
  loss: number;
  perplexity: number;
  /** The loss of a model that knows nothing: ln of the vocabulary. */
  chance: number;
  findings: Finding[];
}

/**
 * Loads the language model at a path and asks it to predict the paragraph.
 * @throws TristageError E_LLAMA_CONFIG for weights that do not say what they are, and the errors of reading them
 */
export async function checkLanguageWeights(path: string): Promise<WeightsCheck> {
  const published = await publishedLlama(path);
  if (published === undefined) throw nameless(path);
  const { settings } = published;
  const tokenizer = await tokenizerFor(path, settings);
  await openEngine({ backend: 'auto', device: 'auto' });
  const store = await load(path, settings);
  try {
    const ids = tokenizer.encode(PARAGRAPH, { bos: true });
    const loss = await meanLoss(Int32Array.from(ids), store, settings);
    const chance = Math.log(settings.vocabulary);
    return { path, tokens: ids.length - 1, loss, perplexity: Math.exp(loss), chance, findings: judged(loss, chance) };
  } finally {
    disposeParams(store);
  }
}

function judged(loss: number, chance: number): Finding[] {
  if (loss <= LARGEST_LOSS) return [];
  const finding = `these weights predict plain English with ${loss.toFixed(2)} nats a token (chance: ${chance.toFixed(2)})`;
  const cure = `a trained language model stays below ${LARGEST_LOSS}: fetch the weights again, and check that the tokenizer is theirs`;
  return [{ level: 'problem', finding, cure }];
}

function nameless(path: string): TristageError {
  return new TristageError({
    kind: 'checkpoint',
    code: 'E_LLAMA_CONFIG',
    message: 'the weights do not say which language model they are',
    where: path,
    found: 'no config.json',
    expected: 'a Hugging Face folder, or a GGUF file',
    fix: 'fetch config.json as well',
  });
}

/** The tokenizer beside the weights; LLaMA's own where there is none and the vocabulary is of that size. */
async function tokenizerFor(path: string, { vocabulary }: LlamaConfig): Promise<Tokenizer> {
  try {
    const file = path.endsWith('.gguf') ? path : await mainFile(path).catch(() => path);
    return (await openTokenizerFile(file.endsWith('.gguf') ? file : path)).tokenizer;
  } catch (error) {
    const own = await llama2Tokenizer();
    if (own.vocabSize === vocabulary) return own;
    throw error;
  }
}

async function load(path: string, settings: LlamaConfig): Promise<ParamStore> {
  const shapes = llamaShapes(settings);
  const weights = await openImport({ path, expected: shapes });
  try {
    const source = async (name: string) => {
      const tensor = await weights.read(name);
      return { shape: tensor.shape, values: toFloat32(tensor) };
    };
    return await loadParams({ shapes, source, trainable: () => false, seed: 0 });
  } finally {
    await weights.close();
  }
}

async function meanLoss(ids: Int32Array, store: ParamStore, config: LlamaConfig): Promise<number> {
  const params = llamaParams(store, config);
  const count = ids.length - 1;
  const { ropeBase: base, ropeScaling: scaling } = config;
  const mean = tf.tidy(() => {
    const embeddings = tf.reshape(embedTokens(tf.tensor1d(ids.subarray(0, count), 'int32'), params), [1, count, -1]);
    const positions = consecutivePositions(count);
    const rope = ropeTables({ positions, rows: 1, headWidth: headWidth(config), base, scaling });
    const logits = llamaLogits({ hidden: llamaHidden({ embeddings, params, context: { config, rope } }), params });
    const flat = tf.reshape(logits, [count, -1]);
    return tf.mean(maskedCrossEntropy(flat, tf.tensor1d(ids.subarray(1), 'int32')));
  });
  const [loss = Number.NaN] = await mean.data();
  mean.dispose();
  return loss;
}

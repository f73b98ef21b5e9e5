/** What the fixtures of LLaMA and of LoRA share: a case is inputs, and what the original made of them. */
import { valueAndGrads } from '../../lib/engine/autograd/index.ts';
import { maskedCrossEntropy } from '../../lib/engine/ops/index.ts';
import { type Tensor, tf, type Variable } from '../../lib/engine/tf.ts';
import { headWidth, type LlamaConfig } from '../../lib/model/config.ts';
import type { BlockContext } from '../../lib/model/llama/block.ts';
import { attentionBias } from '../../lib/model/llama/mask.ts';
import { embedTokens, llamaHidden, llamaLogits } from '../../lib/model/llama/model.ts';
import { consecutivePositions, ropeTables } from '../../lib/model/llama/rope.ts';
import type { LlamaParams, LoraParams } from '../../lib/model/params.ts';
import { lossByRow, type SupervisedPlaces, supervisedPlaces } from '../../lib/model/supervised.ts';
import type { Trace } from '../../lib/model/trace.ts';
import { shareOfMean } from '../../lib/train/loss.ts';
import { holdingTrace, LIMITS, type Recorded, type Report } from './fixture.ts';

/** `llama_config` of a fixture. */
export interface RecordedLlama {
  vocab_size: number;
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads?: number;
  rms_norm_eps: number;
  tie_word_embeddings?: boolean;
  pad_token_id?: number;
  rope_theta?: number;
}

export function llamaConfigOf(recorded: RecordedLlama, ropeTheta = recorded.rope_theta ?? 10000): LlamaConfig {
  return {
    vocabulary: recorded.vocab_size,
    width: recorded.hidden_size,
    mlpHidden: recorded.intermediate_size,
    layers: recorded.num_hidden_layers,
    heads: recorded.num_attention_heads,
    kvHeads: recorded.num_key_value_heads ?? recorded.num_attention_heads,
    rmsEps: recorded.rms_norm_eps,
    ropeBase: ropeTheta,
    tieEmbeddings: recorded.tie_word_embeddings ?? false,
  };
}

/** A language model as a fixture gives it. */
export interface LanguageModel {
  config: LlamaConfig;
  params: LlamaParams;
  lora?: LoraParams;
  /** Trainable weights under the names that the fixture's gradients have. */
  trainable: ReadonlyMap<string, Variable>;
}

/** The inputs of one case. */
export interface LanguageCase {
  shape: [number, number];
  mask: Int32Array;
  /** f32[B, T, D], a variable so that its gradient can be asked for */
  embeddings: Variable;
  labels?: Int32Array;
}

/** Reads the inputs of case `prefix`; the caller disposes the embeddings. */
export function readCase(io: Recorded, prefix: string, params: LlamaParams): LanguageCase {
  const fromIds = !io.has(`${prefix}.inputs_embeds`);
  const [B = 0, T = 0] = io.shape(fromIds ? `${prefix}.input_ids` : `${prefix}.inputs_embeds`);
  const embeddings = tf.tidy(() => {
    if (!fromIds) return io.tensor(`${prefix}.inputs_embeds`);
    const ids = tf.tensor1d(io.ints(`${prefix}.input_ids`), 'int32');
    return tf.reshape(embedTokens(ids, params), [B, T, -1]);
  });
  const variable = tf.variable(embeddings);
  embeddings.dispose();
  return {
    shape: [B, T],
    mask: io.has(`${prefix}.attention_mask`) ? io.ints(`${prefix}.attention_mask`) : new Int32Array(B * T).fill(1),
    embeddings: variable,
    ...(io.has(`${prefix}.labels`) ? { labels: io.ints(`${prefix}.labels`) } : {}),
  };
}

/** @returns logits f32[B, T, V] of a case */
export function caseLogits(model: LanguageModel, input: LanguageCase, trace?: Trace): Tensor {
  const { config, params, lora } = model;
  const { shape, mask, embeddings } = input;
  return tf.tidy(() => {
    const context: BlockContext = {
      config,
      rope: ropeTables({
        positions: consecutivePositions(shape[1]),
        rows: 1,
        headWidth: headWidth(config),
        base: config.ropeBase,
        scaling: config.ropeScaling,
      }),
      bias: attentionBias({ mask: Uint8Array.from(mask), shape }),
      lora,
    };
    return llamaLogits({ hidden: llamaHidden({ embeddings, params, context, trace }), params });
  });
}

/** Compares everything that the fixture records of one case. */
export function compareCase(request: { checks: Report; io: Recorded; prefix: string; model: LanguageModel }): void {
  const { checks, io, prefix, model } = request;
  const input = readCase(io, prefix, model.params);
  const { trace, held, release } = holdingTrace();
  const logits = caseLogits(model, input, trace);
  checks.close(`${prefix}.logits`, logits.dataSync(), io.floats(`${prefix}.logits`), LIMITS.activation, input.mask);
  for (const name of io.names(`${prefix}.hidden`)) {
    const tensor = held.get(name.slice(prefix.length + 1));
    checks.close(name, tensor?.dataSync() ?? [], io.floats(name), LIMITS.activation, input.mask);
  }
  release();
  logits.dispose();
  if (input.labels !== undefined && io.has(`${prefix}.loss`)) compareLoss(request, { ...input, labels: input.labels });
  input.embeddings.dispose();
}

function compareLoss(
  { checks, io, prefix, model }: { checks: Report; io: Recorded; prefix: string; model: LanguageModel },
  input: LanguageCase & { labels: Int32Array },
): void {
  const { labels, shape } = input;
  const places = supervisedPlaces({ labels, shape, vocabulary: model.config.vocabulary });
  const names = [...model.trainable.keys()].filter((name) => io.has(`${prefix}.grad.${name}`));
  const variables = [input.embeddings, ...names.flatMap((name) => model.trainable.get(name) ?? [])];
  const { value, aux, grads } = valueAndGrads(() => {
    const losses = supervisedLosses(caseLogits(model, input), places);
    return [shareOfMean(losses, places.rows.length), losses];
  }, variables);
  checks.near(`${prefix}.loss`, value.dataSync(), io.floats(`${prefix}.loss`), LIMITS.loss);
  if (io.has(`${prefix}.loss_reduction_none`)) {
    const rows = lossByRow({ losses: aux[0]?.dataSync() ?? [], places: places.rows, shape });
    const means = rows.map(({ loss }) => loss / (shape[1] - 1));
    checks.near(`${prefix}.loss_reduction_none`, means, io.floats(`${prefix}.loss_reduction_none`), LIMITS.loss);
  }
  const expected = ['grad_inputs_embeds', ...names.map((name) => `grad.${name}`)];
  expected.forEach((name, i) => {
    if (!io.has(`${prefix}.${name}`)) return;
    checks.close(`${prefix}.${name}`, grads[i]?.dataSync() ?? [], io.floats(`${prefix}.${name}`), LIMITS.gradient);
  });
  const known = new Set(expected.map((name) => `${prefix}.${name}`));
  const unknown = io.names(`${prefix}.grad.`).filter((name) => !known.has(name));
  if (unknown.length > 0) checks.equal(`${prefix}: gradients of weights that the model lacks`, unknown, []);
  tf.dispose([value, aux, grads.filter((grad) => grad !== null)]);
}

function supervisedLosses(logits: Tensor, { rows, labels }: SupervisedPlaces): Tensor {
  const flat = tf.reshape(logits, [-1, logits.shape[2] ?? 0]);
  return maskedCrossEntropy(tf.gather(flat, tf.tensor1d(rows, 'int32')), tf.tensor1d(labels, 'int32'));
}

/** Training steps of a model whose random weights are made on the device, micro-batch by micro-batch. */
import { readFile } from 'node:fs/promises';
import { TristageError } from '../../../lib/core/errors.ts';
import { storedIn } from '../../../lib/engine/precision.ts';
import { type Tensor, tf } from '../../../lib/engine/tf.ts';
import type { TorchBackend } from '../../../lib/engine/torch/backend.ts';
import { native, operator } from '../../../lib/engine/torch/binding.ts';
import { tokensPerImage } from '../../../lib/model/config.ts';
import type { MiniGpt } from '../../../lib/model/minigpt.ts';
import { modelParams } from '../../../lib/model/params.ts';
import { IMAGE_SLOT } from '../../../lib/model/splice.ts';
import { trainableOf } from '../../../lib/model/store.ts';
import { createAdamW } from '../../../lib/train/adamw.ts';
import { type StepBatch, trainStep } from '../../../lib/train/step.ts';
import type { Device, Precision } from '../engine.ts';
import { usedDeviceBytes } from '../host.ts';
import { type StepPlan, WEIGHT_STD } from '../plans.ts';
import { emit, reasonOf } from '../record.ts';

const normal = operator('aten::normal_');

/** Random matrices, norms of one, biases of zero; nothing of it was in host memory. */
function weight(name: string, shape: readonly number[], as: { trains: boolean; precision: Precision }): Tensor {
  const isVector = shape.length === 1;
  const backend = tf.backend() as unknown as TorchBackend;
  const tensor = tf.fill([...shape], isVector && name.endsWith('weight') ? 1 : 0) as Tensor;
  if (!isVector) normal(backend.handle(tensor), 0, WEIGHT_STD, null);
  if (storedIn({ precision: as.precision, shape, frozen: !as.trains }) === 'bf16') {
    const narrow = tf.engine().makeTensorFromTensorInfo(backend.rounded(tensor));
    tensor.dispose();
    return tf.keep(narrow);
  }
  if (!as.trains) return tf.keep(tensor);
  const variable = tf.variable(tensor);
  tensor.dispose();
  return variable;
}

function createModel({ model: config, shapes, trained }: StepPlan, precision: Precision): MiniGpt {
  const trains = new Set(trained);
  const store = new Map(
    shapes.map(([name, shape]) => [name, weight(name, shape, { trains: trains.has(name), precision })]),
  );
  return { config, store, params: modelParams(store, config) };
}

/** Text, an image, text, and at the end what is supervised; the other side makes the same. */
function batchOf({ model, tokens, answer, imageStart }: StepPlan, rows: number): StepBatch {
  const image = tokensPerImage(model);
  const side = model.vision.imageSize;
  const tokenIds = new Int32Array(rows * tokens);
  const labels = new Int32Array(rows * tokens).fill(-1);
  for (let i = 0; i < tokenIds.length; i++) {
    const t = i % tokens;
    const isImage = t >= imageStart && t < imageStart + image;
    tokenIds[i] = isImage ? IMAGE_SLOT : 3 + ((i * 7919) % (model.llm.vocabulary - 3));
    if (t >= tokens - answer) labels[i] = tokenIds[i]!;
  }
  const pixels = Uint8Array.from({ length: rows * side * side * 3 }, (_, i) => (i * 31) % 256);
  return { tokenIds, labels, attentionMask: new Uint8Array(rows * tokens).fill(1), shape: [rows, tokens], pixels };
}

export interface StepsRequest {
  planPath: string;
  recompute: boolean;
  precision: Precision;
  device: Device;
}

/** Steps of every micro-batch of a plan; ends at the first that does not fit into memory. */
export async function steps({ planPath, recompute, precision, device }: StepsRequest): Promise<void> {
  const plan = JSON.parse(await readFile(planPath, 'utf8')) as StepPlan;
  const model = createModel(plan, precision);
  const trainable = trainableOf(model.store);
  const optimizer = createAdamW(trainable, { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.05 });
  const rate = plan.model.lora?.dropout ?? 0;
  const dropout = rate > 0 ? { rate, seed: 1 } : undefined;
  let updates = 0;
  const run = async (batch: StepBatch) => {
    const { loss, fault } = await trainStep({
      model,
      trainable,
      optimizer,
      microBatches: [batch],
      step: updates++,
      lr: plan.lr,
      options: { recompute, dropout },
    });
    if (fault !== undefined) throw new Error(`the ${fault} is not finite`);
    return loss;
  };
  for (const rows of plan.batches) {
    const name = `${plan.name}-b${rows}`;
    try {
      const batch = batchOf(plan, rows);
      native().resetPeak();
      for (let i = 0; i < plan.warmup; i++) await run(batch);
      const start = performance.now();
      let loss = 0;
      for (let i = 0; i < plan.count; i++) loss = await run(batch);
      const seconds = (performance.now() - start) / 1000 / plan.count;
      const peakBytes = native().stats()[2];
      const flops = plan.flops.supervised * rows;
      emit({ name, ok: true, batch: rows, seconds, loss, peakBytes, deviceBytes: usedDeviceBytes(device), flops });
    } catch (error) {
      const outOfMemory = error instanceof TristageError && error.code === 'E_MEMORY';
      emit({ name, ok: outOfMemory, batch: rows, outOfMemory, detail: reasonOf(error) });
      return;
    }
  }
}

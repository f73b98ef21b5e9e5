/** Token ids, targets, masks, embeddings, logits, losses and gradients of each recorded batch. */
import { deviceBatch, disposeBatch, type ModelBatch } from '../../../lib/model/batch.ts';
import { type MiniGpt, tokenLosses } from '../../../lib/model/minigpt.ts';
import { trainableOf } from '../../../lib/model/store.ts';
import { lossByRow } from '../../../lib/model/supervised.ts';
import { backward, disposeGradients } from '../../../lib/train/backward.ts';
import { holdingTrace, LIMITS } from '../fixture.ts';
import { encodeBatch, type RecordedBatch, type StepFixture } from './step-fixture.ts';

export async function compareBatches(fixture: StepFixture, model: MiniGpt): Promise<void> {
  for (const recordedBatch of fixture.file.batches) {
    const batch = encodeBatch(fixture, recordedBatch);
    compareTokens(fixture, recordedBatch, batch);
    compareForward(fixture, recordedBatch.name, { model, batch });
    await compareBackward(fixture, recordedBatch, { model, batch });
  }
}

function compareTokens({ checks, io }: StepFixture, { name }: RecordedBatch, batch: ModelBatch): void {
  checks.equal(`${name}.shape`, batch.shape, io.shape(`${name}.token_ids`));
  checks.equal(`${name}.token_ids`, batch.tokenIds, io.ints(`${name}.token_ids`));
  checks.equal(`${name}.targets`, batch.labels, io.ints(`${name}.targets`));
  checks.equal(`${name}.attention_mask`, batch.attentionMask, io.ints(`${name}.attention_mask`));
}

interface Subject {
  model: MiniGpt;
  batch: ModelBatch;
}

/** Intermediates that the fixture records for some batches; logits where the mask is 1. */
function compareForward({ checks, io }: StepFixture, name: string, { model, batch }: Subject): void {
  const parts = ['img_embeds', 'inputs_embeds', 'logits'].filter((part) => io.has(`${name}.${part}`));
  if (parts.length === 0) return;
  const { trace, held, release } = holdingTrace();
  const device = deviceBatch(batch, model.config);
  tokenLosses(model, device, { trace, supervisedOnly: false }).dispose();
  const mask = Int32Array.from(batch.attentionMask);
  for (const part of parts) {
    const expected = io.floats(`${name}.${part}`);
    const keep = part === 'logits' ? mask : undefined;
    checks.close(`${name}.${part}`, held.get(part)?.dataSync() ?? [], expected, LIMITS.activation, keep);
  }
  release();
  disposeBatch(device);
}

async function compareBackward(
  { checks, io, weights }: StepFixture,
  { name, loss }: RecordedBatch,
  { model, batch }: Subject,
): Promise<void> {
  const { value, losses, places, gradients } = await backward({ model, trainable: trainableOf(model.store), batch });
  checks.near(`${name}.loss`, [value], [loss], LIMITS.loss);
  const rows = lossByRow({ losses, places, shape: batch.shape });
  // The reference's mean of a row counts every predictable place, supervised or not.
  const means = rows.map((row) => row.loss / (batch.shape[1] - 1));
  checks.near(`${name}.loss_reduction_none`, means, io.floats(`${name}.loss_reduction_none`), LIMITS.loss);
  for (const key of io.names(`${name}.grad.`)) {
    const gradient = gradients.get(weights.inMemory(key.slice(`${name}.grad.`.length)) ?? '');
    const expected = io.floats(key);
    if (gradient === null) checks.near(`${key} (absent)`, new Float32Array(expected.length), expected, 0);
    else checks.close(key, gradient?.dataSync() ?? [], expected, LIMITS.gradient);
  }
  disposeGradients(gradients);
}

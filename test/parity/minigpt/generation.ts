/** Greedy generation: prompts, first logits, and the tokens that follow. */

import { tf } from '../../../lib/engine/tf.ts';
import { answerText } from '../../../lib/eval/answer-text.ts';
import { generate } from '../../../lib/eval/generate.ts';
import { deviceBatch, disposeBatch } from '../../../lib/model/batch.ts';
import { inputEmbeddings, type MiniGpt } from '../../../lib/model/minigpt.ts';
import { encodeReferencePrompts } from '../adapters/minigptv2-batches.ts';
import { LIMITS } from '../fixture.ts';
import { pooledPixels, type StepFixture } from './step-fixture.ts';

/** What the fixture writes at padding. */
const PADDING = -1;

export async function compareGeneration(fixture: StepFixture, model: MiniGpt): Promise<void> {
  const { checks, io, file, tokenizer, padId } = fixture;
  const { texts, image_index, max_new_tokens: maxNewTokens, answers } = file.generate;
  const shown = encodeReferencePrompts(texts, fixture, PADDING);
  checks.equal('generate.prompt_token_ids', shown.tokenIds, io.ints('generate.prompt_token_ids'));
  checks.equal('generate.attention_mask', shown.attentionMask, io.ints('generate.attention_mask'));
  const prompts = { ...encodeReferencePrompts(texts, fixture, 0), pixels: pooledPixels(io, image_index ?? []) };
  const device = deviceBatch(prompts, model.config);
  const embeddings = inputEmbeddings(model, device);
  checks.close(
    'generate.inputs_embeds',
    embeddings.dataSync(),
    io.floats('generate.inputs_embeds'),
    LIMITS.activation,
    io.ints('generate.attention_mask'),
  );
  tf.dispose(embeddings);
  disposeBatch(device);
  const rows = await generate(model, prompts, {
    maxNewTokens,
    eosId: tokenizer.eosId,
    onLogits: (step, logits) => {
      if (step > 0) return;
      checks.close('generate.step0_logits', logits.dataSync(), io.floats('generate.step0_logits'), LIMITS.activation);
    },
  });
  // Hugging Face puts a BOS in front and fills rows that ended early.
  const longest = Math.max(...rows.map((row) => row.tokenIds.length));
  const output = rows.flatMap(({ tokenIds }) => [
    tokenizer.bosId,
    ...tokenIds,
    ...new Array<number>(longest - tokenIds.length).fill(padId),
  ]);
  checks.equal('generate.output_ids', output, io.ints('generate.output_ids'));
  const texted = rows.map(({ tokenIds }) => answerText(tokenIds, tokenizer));
  checks.equal('generate.answers', texted, answers);
}

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadSentencePiece } from '../../../lib/data/tokenizer.ts';
import {
  encodeReferenceBatch,
  encodeReferencePrompts,
  type ReferenceSamples,
  type ReferenceSettings,
} from '../../parity/adapters/minigptv2-batches.ts';

const DIR = join(import.meta.dirname, '../../parity/fixtures/minigptv2-step');

interface StoredBatch {
  name: string;
  settings: ReferenceSettings;
  samples: ReferenceSamples;
  shape: number[];
  token_ids: number[][];
  targets: number[][];
  attention_mask: number[][];
}

const fixture = JSON.parse(readFileSync(join(DIR, 'batches.json'), 'utf8')) as {
  batches: StoredBatch[];
  generate: { texts: string[]; prompt_token_ids: number[][] };
};
const config = JSON.parse(readFileSync(join(DIR, 'config.json'), 'utf8')) as {
  image_tokens: number;
  tokenizer: { file: string; pad_token: string };
};
const tokenizer = loadSentencePiece(readFileSync(join(DIR, config.tokenizer.file)), {
  padPiece: config.tokenizer.pad_token,
});
const model = { tokenizer, imageTokens: config.image_tokens };

for (const batch of fixture.batches) {
  test(`the reference batch ${batch.name} is built again token for token`, () => {
    const found = encodeReferenceBatch(batch.settings, batch.samples, model);
    assert.deepEqual([...found.shape], batch.shape);
    assert.deepEqual([...found.tokenIds], batch.token_ids.flat());
    assert.deepEqual([...found.labels], batch.targets.flat());
    assert.deepEqual([...found.attentionMask], batch.attention_mask.flat());
  });
}

test('prompts for generation are padded on the left and carry the two BOS of the reference', () => {
  const { texts, prompt_token_ids: expected } = fixture.generate;
  const found = encodeReferencePrompts(texts, model, -1);
  assert.deepEqual([...found.tokenIds], expected.flat());
  assert.deepEqual(
    [...found.attentionMask],
    expected.flat().map((id) => (id === -1 ? 0 : 1)),
  );
});

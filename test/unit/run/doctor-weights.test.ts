import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeSafetensors } from '../../../lib/formats/safetensors.ts';
import { checkLanguageWeights } from '../../../lib/run/doctor-weights.ts';
import { withLeastTower, writeGeneratedLlama } from '../../support/generated-llama.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const folder = temporaryFolder('tristage-doctor-weights-');

test('weights that were never trained predict a paragraph like chance, which is a problem', async () => {
  const { llm } = withLeastTower({
    ...{ vocabulary: 32000, width: 16, mlpHidden: 32, layers: 1, heads: 2, kvHeads: 1 },
    ...{ rmsEps: 1e-5, ropeBase: 10000, tieEmbeddings: true },
  });
  const path = join(folder, 'untrained');
  await mkdir(path);
  await writeGeneratedLlama(join(path, 'model.safetensors'), llm);
  const config = {
    ...{ model_type: 'llama', vocab_size: 32000, hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1 },
    ...{ num_attention_heads: 2, num_key_value_heads: 1, rms_norm_eps: 1e-5, tie_word_embeddings: true },
  };
  await writeFile(join(path, 'config.json'), JSON.stringify(config));
  const { loss, chance, perplexity, tokens, findings } = await checkLanguageWeights(path);
  assert.ok(Math.abs(loss - chance) < 1, `${loss} beside ${chance}`);
  assert.ok(Math.abs(perplexity - Math.exp(loss)) < 1e-6 && tokens > 80);
  assert.deepEqual(
    findings.map(({ level }) => level),
    ['problem'],
  );
});

test('weights without settings cannot be asked', async () => {
  const path = join(folder, 'bare');
  await mkdir(path);
  await writeSafetensors(join(path, 'model.safetensors'), new Map());
  await assert.rejects(checkLanguageWeights(path), { code: 'E_LLAMA_CONFIG', where: path });
});

/** The whole model of the original: its batches, losses, gradients, training runs, generation, ranking and checkpoint. */
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { loadSentencePiece, type Tokenizer } from '../../../lib/data/tokenizer.ts';
import { type LoraTarget, type ModelConfig, tokensPerImage } from '../../../lib/model/config.ts';
import { createMiniGpt, disposeMiniGpt, type MiniGpt } from '../../../lib/model/minigpt.ts';
import { PROJECTOR_PREFIX } from '../../../lib/model/shapes.ts';
import { trainableIn } from '../../../lib/train/trainable.ts';
import { readJson, readTensors, recorded, report } from '../fixture.ts';
import { llamaConfigOf, type RecordedLlama } from '../language.ts';
import { compareBatches } from '../minigpt/batches.ts';
import { compareGeneration } from '../minigpt/generation.ts';
import { compareRanking } from '../minigpt/ranking.ts';
import type { StepFile, StepFixture } from '../minigpt/step-fixture.ts';
import { compareTraining } from '../minigpt/training.ts';
import type { ParityResult } from '../result.ts';
import { fixtureWeights } from '../weights.ts';

interface StepConfig {
  /** Trainable weights in the order in which the reference gives them to its optimizer. */
  trainable: string[];
  dims: { img: number; dim: number; depth: number; heads: number };
  mlp_hidden: number;
  image_tokens: number;
  llama_config: RecordedLlama;
  lora: { r: number; alpha: number; dropout: number; target_modules: LoraTarget[] };
  tokenizer: { file: string; pad_token: string };
  eps: { eva_blocks: number; ln_vision: number };
}

/** Runs one fixture folder. */
export async function run(dir: string): Promise<ParityResult[]> {
  const described = await readJson<StepConfig>(dir, 'config.json');
  const tensors = await readTensors(join(dir, 'weights.safetensors'));
  const weights = fixtureWeights(tensors);
  const io = recorded(await readTensors(join(dir, 'io.safetensors')));
  const config = modelConfig(described, {
    patch: tensors.get('visual_encoder.patch_embed.proj.weight')?.shape[2] ?? 0,
    joined: tensors.get(`${PROJECTOR_PREFIX}weight`)?.shape[1] ?? 0,
  });
  const fixture: StepFixture = {
    dir,
    checks: report(basename(dir)),
    io,
    file: await readJson<StepFile>(dir, 'batches.json'),
    tokenizer: await readTokenizer(dir, described.tokenizer),
    imageTokens: described.image_tokens,
    weights,
    trainable: described.trainable,
    padId: described.llama_config.pad_token_id ?? 0,
    createModel: () =>
      createMiniGpt({ config, source: weights.source, trainable: trainableIn(['projector', 'lora']), seed: 0 }),
  };
  fixture.checks.equal('image_tokens', [tokensPerImage(config)], [described.image_tokens]);
  await withModel(fixture, async (model) => {
    await compareBatches(fixture, model);
    await compareGeneration(fixture, model);
    await compareRanking(fixture, model);
  });
  await compareTraining(fixture);
  return fixture.checks.results;
}

async function withModel(fixture: StepFixture, use: (model: MiniGpt) => Promise<void>): Promise<void> {
  const model = fixture.createModel();
  try {
    await use(model);
  } finally {
    disposeMiniGpt(model);
  }
}

function modelConfig(described: StepConfig, sizes: { patch: number; joined: number }): ModelConfig {
  const { dims, eps, lora } = described;
  return {
    vision: {
      imageSize: dims.img,
      patch: sizes.patch,
      width: dims.dim,
      depth: dims.depth,
      heads: dims.heads,
      mlpHidden: described.mlp_hidden,
      eps: eps.eva_blocks,
      lnEps: eps.ln_vision,
    },
    join: sizes.joined / dims.dim,
    llm: llamaConfigOf(described.llama_config),
    lora: { rank: lora.r, alpha: lora.alpha, dropout: lora.dropout, targets: lora.target_modules },
  };
}

async function readTokenizer(dir: string, { file, pad_token }: StepConfig['tokenizer']): Promise<Tokenizer> {
  return loadSentencePiece(await readFile(join(dir, file)), { padPiece: pad_token, name: file });
}

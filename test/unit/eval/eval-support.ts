/** A random model over the real vocabulary and a few scenes with every kind of question. */
import { emojiScenes } from '../../../datasets/emoji-scenes/emoji-scenes.ts';
import type { Sample } from '../../../lib/data/sample.ts';
import type { OpenSource } from '../../../lib/data/source.ts';
import { collectQuestions, withSharedImages } from '../../../lib/eval/questions.ts';
import type { ModelConfig } from '../../../lib/model/config.ts';
import type { MiniGpt } from '../../../lib/model/minigpt.ts';
import { TINY, tinyModel } from '../model/tiny-model.ts';

export const SIDE = 28;
const CONFIG: ModelConfig = {
  ...TINY,
  vision: { ...TINY.vision, imageSize: SIDE, patch: 7 },
  llm: { ...TINY.llm, vocabulary: 32000 },
};

/** Answers of few tokens: a random model never ends by itself. */
export const SHORT = {
  vqa: 3,
  identify: 3,
  refer: 4,
  detection: 4,
  grounding: 4,
  caption: 5,
  conversation: 3,
  text: 3,
};

export function wordyModel(): MiniGpt {
  return tinyModel(CONFIG);
}

export const ALL_TURNS = { caption: 1, refer: 1, identify: 1, detection: 1, grounding: 1, vqa: 2 };

/** Held-out scenes; with `turns`, samples of one scene share its image. */
export function heldout(turns: Record<string, number> = ALL_TURNS, seed = 5): Promise<OpenSource> {
  return emojiScenes.open({ root: '.', task: 'vqa', split: 'heldout', seed, count: 200, imageSize: SIDE, turns });
}

/** Questions of each kind about few scenes. */
export async function fewQuestions(perTask = 4): Promise<Sample[]> {
  const { samples } = await collectQuestions({ source: await heldout(), perTask, seed: 1 });
  return withSharedImages(samples);
}

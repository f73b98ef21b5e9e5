import { defineStage } from '../lib/train/stage.ts';

/** Stage 2 of MiniGPT-v2: only labels made by people, so that each task becomes precise; vision frozen. */
export const stage2Multitask = defineStage({
  name: 'stage2-multitask',
  summary: 'Precision on each task from carefully labelled data only.',
  mayTrain: ['projector', 'lora', 'llm'],
  trains: ['projector', 'lora'],
  accepts: ['task'],
});

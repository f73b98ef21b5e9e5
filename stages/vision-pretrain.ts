import { defineStage } from '../lib/train/stage.ts';

/**
 * Before the three stages of MiniGPT-v2, which take a pretrained vision tower for granted: a small tower learns from nothing what
 * each patch of a scene shows. It stands in for EVA where that is too large; no language model takes part.
 */
export const visionPretrain = defineStage({
  name: 'vision-pretrain',
  summary: 'A small vision tower learns from nothing what each patch of a scene shows.',
  mayTrain: ['vision'],
  trains: ['vision'],
  accepts: ['task'],
  objective: 'patches',
});

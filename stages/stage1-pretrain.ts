import { defineStage } from '../lib/train/stage.ts';

/**
 * Stage 1 of MiniGPT-v2: broad vision-language knowledge from weakly labelled and task data, vision frozen. The paper trains the
 * projector and adapters on a pretrained language model; a model that starts from random numbers trains the language model too.
 */
export const stage1Pretrain = defineStage({
  name: 'stage1-pretrain',
  summary: 'Broad vision-language knowledge from weakly labelled and task data.',
  mayTrain: ['projector', 'lora', 'llm'],
  trains: ['projector', 'lora'],
  accepts: ['weak', 'task'],
});

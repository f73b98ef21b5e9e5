import { defineStage } from '../lib/train/stage.ts';

/** Stage 3 of MiniGPT-v2: conversations join the task data; vision and the language model itself stay frozen. */
export const stage3Instruct = defineStage({
  name: 'stage3-instruct',
  summary: 'Conversation and instructions beside the tasks.',
  mayTrain: ['projector', 'lora'],
  trains: ['projector', 'lora'],
  accepts: ['task', 'instruction'],
});

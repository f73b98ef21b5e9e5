/** The stages that ship with the project. */
import type { Stage } from '../lib/train/stage.ts';
import { stage1Pretrain } from './stage1-pretrain.ts';
import { stage2Multitask } from './stage2-multitask.ts';
import { stage3Instruct } from './stage3-instruct.ts';
import { visionPretrain } from './vision-pretrain.ts';

export const STAGES: readonly Stage[] = [visionPretrain, stage1Pretrain, stage2Multitask, stage3Instruct];

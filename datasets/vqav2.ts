/**
 * VQAv2 (Goyal et al. 2017, "Making the V in VQA Matter"): questions about photos of COCO 2014, each answered by ten people.
 * Annotations CC BY 4.0; each photo keeps its Flickr licence. Reads the official pair of files or the joined lists of LAVIS.
 */

import { vqaSource } from './vqa-family.ts';

const official = (year: string) => ({
  annotations: [`v2_mscoco_${year}_annotations.json`],
  questions: [`v2_OpenEnded_mscoco_${year}_questions.json`],
});

export const vqav2 = vqaSource({
  name: 'vqav2',
  summary: 'VQAv2: questions about COCO photos, each with ten short answers.',
  aliases: { coco_vqa: { split: 'trainval' } },
  names: {
    train: { ...official('train2014'), joined: ['vqa_train.json'] },
    val: { ...official('val2014'), joined: ['vqa_val.json'] },
  },
  type: 'answer_type',
});

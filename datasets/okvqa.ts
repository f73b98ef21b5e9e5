/**
 * OK-VQA (Marino et al. 2019, "OK-VQA: A Visual Question Answering Benchmark Requiring External Knowledge"): questions about photos
 * of COCO 2014 whose answers the photo alone does not hold, each answered by five people twice. Its test split is of val2014.
 * Reads the official pair of files or the joined lists of LAVIS; each photo keeps its Flickr licence.
 */

import { vqaSource } from './vqa-family.ts';

const official = (year: string) => ({
  annotations: [`mscoco_${year}_annotations.json`],
  questions: [`OpenEnded_mscoco_${year}_questions.json`],
});

export const okvqa = vqaSource({
  name: 'okvqa',
  summary: 'OK-VQA: questions about COCO photos that need knowledge from elsewhere.',
  aliases: { ok_vqa: {} },
  names: {
    train: { ...official('train2014'), joined: ['okvqa_train.json'] },
    val: { ...official('val2014'), joined: ['okvqa_val.json'] },
  },
  type: 'question_type',
});

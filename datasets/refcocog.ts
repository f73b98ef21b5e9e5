/**
 * RefCOCOg (Mao et al. 2016, "Generation and Comprehension of Unambiguous Object Descriptions"; splits by photo of Nagaraja et al.
 * 2016, University of Maryland): longer expressions for objects in photos of COCO train2014. Published with the REFER toolbox;
 * annotations CC BY 4.0, each photo keeps its Flickr licence.
 */

import { referSource } from './refer-family.ts';

export const refcocog = referSource({
  name: 'refcocog',
  summary: 'RefCOCOg: longer expressions for objects in COCO photos.',
  aliases: { invrefcocog: { task: 'identify' } },
  // One description of the original names the file with the letters of umd in another order.
  splitters: { umd: ['umd', 'und'], google: ['google'] },
  splits: ['train', 'val', 'test'],
});

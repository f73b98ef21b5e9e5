/**
 * RefCOCO+ (Yu et al. 2016, "Modeling Context in Referring Expressions"): as RefCOCO, but people were not allowed to say where in
 * the photo an object is. Published with the REFER toolbox (Apache 2.0); each photo keeps its Flickr licence.
 */

import { referSource } from './refer-family.ts';

export const refcocoPlus = referSource({
  name: 'refcoco+',
  summary: 'RefCOCO+: as RefCOCO, without words of place.',
  aliases: { 'refcoco-plus': {}, refcocop: {}, invrefcocop: { task: 'identify' } },
  splitters: { unc: ['unc'] },
  splits: ['train', 'val', 'testA', 'testB', 'test'],
});

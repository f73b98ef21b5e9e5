/**
 * RefCOCO (Yu et al. 2016, "Modeling Context in Referring Expressions"; collected with ReferItGame, Kazemzadeh et al. 2014):
 * expressions for objects in photos of COCO train2014. Published with the REFER toolbox (Apache 2.0); each photo keeps
 * its Flickr licence.
 */

import { referSource } from './refer-family.ts';

export const refcoco = referSource({
  name: 'refcoco',
  summary: 'RefCOCO: expressions for objects in COCO photos, asked for their box or from it.',
  aliases: { invrefcoco: { task: 'identify' } },
  splitters: { unc: ['unc'], google: ['google'] },
  splits: ['train', 'val', 'testA', 'testB', 'test'],
});

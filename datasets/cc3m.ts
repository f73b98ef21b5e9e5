/**
 * Conceptual Captions 3M (Sharma et al. 2018; captions free to use with attribution to Google, each image under its own licence):
 * images of the web with cleaned alt texts, in tars as img2dataset writes them. The original read CC3M, CC12M and SBU from one set of
 * such tars with BLIP's captions, which is read here under its name too.
 */

import { webCaptionSource } from './web-captions.ts';

export const cc3m = webCaptionSource({
  name: 'cc3m',
  aliases: { cc_sbu: {} },
  summary: 'Conceptual Captions: web images with cleaned alt texts, in tar shards as img2dataset writes them.',
});

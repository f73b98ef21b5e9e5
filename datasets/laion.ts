/**
 * LAION (Schuhmann et al. 2021, 2022; metadata CC BY 4.0, each image under its own licence) and whatever else img2dataset
 * writes with captions, such as the BLIP captions of LAION115M that MiniGPT-v2's first stage used: tars read in place, any sample
 * at once.
 */

import { webCaptionSource } from './web-captions.ts';

export const laion = webCaptionSource({
  name: 'laion',
  summary: 'Web images with captions in tar shards as img2dataset writes them.',
});

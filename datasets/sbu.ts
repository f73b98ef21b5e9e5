/**
 * SBU Captions (Ordonez et al. 2011, "Im2Text"; links for research, each photo under its Flickr licence): photos of Flickr with
 * what their owners wrote, in tars as img2dataset writes them.
 */

import { webCaptionSource } from './web-captions.ts';

export const sbu = webCaptionSource({
  name: 'sbu',
  summary: 'SBU Captions: Flickr photos with their owners’ captions, in tar shards as img2dataset writes them.',
});

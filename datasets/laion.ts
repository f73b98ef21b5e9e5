/**
 * LAION (Schuhmann et al. 2021, 2022; metadata CC BY 4.0, each image under its own licence) and whatever else img2dataset
 * writes with captions, such as the BLIP captions of LAION115M and CC3M + CC12M + SBU that MiniGPT-v2's first stage used:
 * tars read in place, any sample at once.
 */

import { z } from 'zod';
import { defineRowSource } from '../lib/data/row-source.ts';
import { badSample } from '../lib/data/sample.ts';
import { drawInstruction } from '../lib/data/task.ts';
import { cleanText } from '../lib/data/text-clean.ts';
import { webRows, webShards } from './web-shards.ts';

const NAME = 'laion';

const options = z.object({
  clean: z
    .boolean()
    .default(true)
    .describe(
      'Whether captions are lower-cased, lose their punctuation and are cut at 50 words, as the original does.',
    ),
});

/** One sample for each image. */
export const laion = defineRowSource({
  name: NAME,
  summary: 'Web images with captions in tar shards as img2dataset writes them.',
  kind: 'weak',
  tasks: ['caption'],
  options,
  indexOptions: [],
  inputs: ({ root }) => webShards(root),
  rows: ({ root }, scan) => webRows({ root, needs: ['json', 'txt'], record: ({ caption = '' }) => caption }, scan),
  sample: ({ id, record: caption }, { options: { clean }, pick }) => {
    const answer = clean ? cleanText(caption) : caption.trim();
    if (answer === '') throw badSample({ id, source: NAME }, 'no caption', 'a caption in .json or .txt');
    return { turns: [{ question: drawInstruction('caption', '', pick), answer }] };
  },
});

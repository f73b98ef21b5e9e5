/**
 * LAION (Schuhmann et al. 2021, 2022; metadata CC BY 4.0, each image under its own licence) and whatever else img2dataset
 * writes with captions, such as the BLIP captions of LAION115M and CC3M + CC12M + SBU that MiniGPT-v2's first stage used:
 * tars read in place, any sample at once.
 */

import { z } from 'zod';
import { sha256 } from '../lib/core/hash.ts';
import { badSample, type Sample } from '../lib/data/sample.ts';
import { defineSource, type OpenSource } from '../lib/data/source.ts';
import { drawInstruction, type Pick } from '../lib/data/task.ts';
import { cleanText } from '../lib/data/text-clean.ts';
import type { ShardedSample } from '../lib/formats/tar-samples.ts';
import { identityOf, openWebShards, webCaption, webImage, webRecord } from './web-shards.ts';

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
export const laion = defineSource({
  name: NAME,
  summary: 'Web images with captions in tar shards as img2dataset writes them.',
  kind: 'weak',
  tasks: ['caption'],
  options,
  async open({ root, clean }): Promise<OpenSource> {
    const shards = await openWebShards(NAME, { root, needs: ['json', 'txt'] });
    return {
      name: NAME,
      length: shards.length,
      fingerprint: sha256(JSON.stringify([NAME, shards.fingerprint, clean])),
      notes: shards.notes,
      get: async (index, pick) => captionSample(shards.at(index), { clean, pick }),
    };
  },
});

async function captionSample(sample: ShardedSample, { clean, pick }: { clean: boolean; pick: Pick }): Promise<Sample> {
  const caption = await webCaption(sample, await webRecord(NAME, sample));
  const answer = clean ? cleanText(caption ?? '') : (caption ?? '').trim();
  if (answer === '') throw badSample(identityOf(NAME, sample), 'no caption', 'a caption in .json or .txt');
  const question = drawInstruction('caption', '', pick);
  return { ...identityOf(NAME, sample), task: 'caption', image: await webImage(sample), turns: [{ question, answer }] };
}

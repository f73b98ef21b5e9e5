/** The part of the schema that says how a trained model is questioned. */

import { z } from 'zod';
import { count } from './schema-model.ts';

/** What a line of `eval.sources` has beside source, root, task and the source's own options. */
export const evalLineKeys = {
  samples: count(10_000_000)
    .default(300)
    .describe('Questions of each task that are asked; always the same ones for the same seed.'),
};

const tokens = (standard: number, task: string) =>
  count(4096).default(standard).describe(`Longest answer of ${task}, in tokens; what is longer is cut there.`);

/** Twenty tokens is what the released evaluation allows; answers with several boxes or whole sentences need more. */
const maxNewTokens = z
  .strictObject({
    vqa: tokens(20, '[vqa]'),
    identify: tokens(20, '[identify]'),
    refer: tokens(20, '[refer]'),
    detection: tokens(128, '[detection]'),
    grounding: tokens(256, '[grounding]'),
    caption: tokens(64, '[caption]'),
    conversation: tokens(256, 'a conversation'),
    text: tokens(256, 'a text without image'),
  })
  .describe('Longest answers by task.');

/**
 * Schema of `eval`.
 * @param source schema of one line of its sources
 */
export const evalSchema = <Line>(source: z.ZodType<Line>) =>
  z
    .strictObject({
      sources: z.array(source).min(1).max(1000).describe('Where the questions come from.'),
      batch: count(4096).default(32).describe('Questions that are answered at once.'),
      maxNewTokens: maxNewTokens.prefault({}),
      seed: z
        .int()
        .min(0)
        .max(2 ** 31)
        .default(0)
        .describe('Chooses the questions of each source and the resampling of intervals.'),
    })
    .describe('What `tristage eval` asks this run, and how.');

/** The settings of an evaluation of the given lines where the run file has no `eval`: every default. */
export function evalDefaults<Line extends object>(lines: readonly Line[]) {
  const samples = evalLineKeys.samples.parse(undefined);
  return evalSchema(z.custom<Line & { samples: number }>()).parse({
    sources: lines.map((line) => ({ samples, ...line })),
  });
}

/** The part of the schema that says what is trained on. */

import { z } from 'zod';
import { path } from './schema-model.ts';

/** What a line of the mixture has beside the options of its source. */
export const mixtureLineKeys = {
  rate: z
    .number()
    .positive()
    .max(1e9)
    .default(1)
    .describe('Share of this source, relative to the other rates: of the samples, or with unit: batch of the steps.'),
  batch: z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe('Samples of a step that draws this source; with unit: batch only, and then needed.'),
  cap: z
    .number()
    .positive()
    .max(1e6)
    .optional()
    .describe(
      'How often the samples of this source may come, in passes over it; afterwards its share goes to the others at their rates. Default: no limit.',
    ),
  window: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(16)
    .describe(
      'Has an effect where samples lie in tars: so many tars are mixed with each other at a time, and read one behind the other.',
    ),
  badShare: z
    .number()
    .min(0)
    .max(1)
    .default(0.01)
    .describe('Share of the samples of this source that may be unusable before the run stops; 16 always may.'),
};

const packing = z
  .strictObject({
    maxTokens: z
      .int()
      .min(8)
      .max(1_000_000)
      .describe(
        'Longest row in tokens, visual ones included; at least data.maxTokens. Rows are padded to the longest of a pass.',
      ),
  })
  .describe(
    'Several examples share a row, and examples of one image its visual tokens; each sees only what it would see alone. The samples of one image are then drawn together; rates go on counting samples. Absent: a row for each example.',
  );

/** Room for fifty thousand images of the `smol` preset, three thousand of the 7B preset. */
const FEATURE_BYTES = 20e9;

const featureCache = z
  .strictObject({
    dir: path(
      'Folder of the features; several runs and processes may share one. Default: features in the cache folder of this program.',
    ).optional(),
    maxBytes: z
      .int()
      .min(1)
      .default(FEATURE_BYTES)
      .describe('Most bytes in the folder. What no run has used for longest gives way.'),
    dtype: z
      .enum(['float32', 'bf16'])
      .default('float32')
      .describe(
        'How features are stored. bf16 takes half the space and rounds them to 8 bits, whether they were stored before or not.',
      ),
  })
  .describe(
    'What the frozen vision tower makes of an image is computed once and stored, by every run that has this; a stored image is not even decoded. Not where the tower trains. Absent: every image is seen anew. docs/training.md',
  );

/** Schema of `data`. */
export const dataSchema = <Line>(source: z.ZodType<Line>) =>
  z
    .strictObject({
      mixture: z
        .strictObject({
          unit: z
            .enum(['sample', 'batch'])
            .default('sample')
            .describe(
              'sample: every sample draws its source. batch: every step draws one source for all its samples, as the reference does; each source then has its own `batch`, and train.globalBatch is left out.',
            ),
          sources: z.array(source).min(1).max(1000).describe('The sources, drawn at their rates.'),
        })
        .describe('Which samples are drawn, how often.'),
      transform: z
        .enum(['pillow-bicubic', 'sharp-cubic'])
        .default('pillow-bicubic')
        .describe('How photos are brought to imageSize: exactly as Pillow does, or by sharp.'),
      maxTokens: z
        .int()
        .min(8)
        .max(1_000_000)
        .default(512)
        .describe('Longest example in tokens, visual ones included; longer texts are cut.'),
      packing: packing.optional(),
      featureCache: featureCache.optional(),
      cache: path(
        'Folder for the indexes of sources, which are made once and can be made again. Default: index in the cache folder of this program.',
      ).optional(),
    })
    .describe('What it is trained on.');

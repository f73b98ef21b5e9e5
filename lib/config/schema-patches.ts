/** The part of the schema that only stages with a dense patch objective read. */

import { z } from 'zod';

/** Schema of `train.patches`. */
export const patchesSchema = z
  .strictObject({
    boxWeight: z
      .number()
      .min(0)
      .max(1000)
      .default(3)
      .describe('Weight of the box loss (mean absolute error of a coordinate) beside the class loss.'),
    start: z
      .enum(['eva', 'narrow'])
      .default('narrow')
      .describe(
        'Start values of the tower: EVA’s own, or larger ones with sine positions, for towers of few channels.',
      ),
    heldOutEvery: z
      .int()
      .min(1)
      .max(10_000_000)
      .default(500)
      .describe('The tower is measured on held-out images after every so many steps, and after the last.'),
    heldOutImages: z.int().min(1).max(100_000).default(256).describe('How many held-out images that takes.'),
  })
  .describe('Settings of a stage that trains the vision tower patch by patch; no other stage takes them.');

export type PatchSettings = z.output<typeof patchesSchema>;

/** The part of the schema that says how the model is trained. */

import { z } from 'zod';
import { count } from './schema-model.ts';
import { patchesSchema } from './schema-patches.ts';

/** Groups of parameters that a run may train. */
export const TRAINABLE_GROUPS = ['vision', 'projector', 'lora', 'llm'] as const;
export type TrainableGroup = (typeof TRAINABLE_GROUPS)[number];

const rate = z.number().min(0).max(1);

const optimizer = z
  .strictObject({
    name: z.literal('adamw').default('adamw').describe('AdamW with decoupled weight decay.'),
    lr: z.number().positive().max(1).describe('Peak learning rate.'),
    weightDecay: z
      .number()
      .min(0)
      .max(1)
      .default(0.05)
      .describe('Decoupled decay of matrices; vectors never decay. Default: the released stage 3.'),
    betas: z
      .tuple([rate.max(0.99999), rate.max(0.99999)])
      .default([0.9, 0.999])
      .describe('Decay rates of the two moments.'),
    eps: z.number().positive().max(1).default(1e-8).describe('Added to the root of the second moment.'),
  })
  .describe('How gradients become updates.');

const schedule = z
  .strictObject({
    name: z
      .literal('linear-warmup-cosine')
      .default('linear-warmup-cosine')
      .describe('Linear warm-up, then a half cosine over all steps.'),
    warmupSteps: z.int().min(0).max(10_000_000).default(0).describe('Steps of linear warm-up.'),
    warmupLr: rate.default(1e-6).describe('Learning rate at step 0 of the warm-up.'),
    minLr: rate.default(0).describe('Learning rate at the end.'),
  })
  .describe('The learning rate of each step.');

const checkpoint = z
  .strictObject({
    everySteps: count(10_000_000)
      .default(1000)
      .describe('A checkpoint is written after every so many steps, and after the last.'),
    keep: count(1000).default(3).describe('How many checkpoints stay; older ones are removed.'),
    best: z
      .strictObject({
        metric: z.string().min(1).max(100).describe('Figure of train.eval: a task, or a detail such as refer.meanIou.'),
        mode: z.enum(['max', 'min']).default('max').describe('Whether more or less of it is better.'),
      })
      .optional()
      .describe('Beside the newest checkpoints, the one with the best figure stays; needs train.eval.'),
  })
  .describe('When checkpoints are written.');

const evaluation = z
  .strictObject({
    everySteps: count(10_000_000).describe('The model is questioned after every so many steps, and after the last.'),
    samples: count(1_000_000)
      .default(32)
      .describe('Questions of each task of each line of eval.sources; always the same ones.'),
  })
  .describe('Questions to the model during training: those of `eval`, fewer of them. Absent: none.');

const onNonFinite = z
  .strictObject({
    skip: z
      .int()
      .min(0)
      .max(1_000_000)
      .default(3)
      .describe('So many steps of a run are left out before it stops; each leaves its batch under dumps/.'),
  })
  .describe('What happens when the loss or a gradient of a step is not a finite number.');

const loss = z
  .strictObject({
    weighting: z
      .enum(['token', 'answer-root'])
      .default('token')
      .describe(
        'How much a supervised token counts. token: all alike, as the reference. answer-root: the inverse root of the length of its answer, so that short answers are not drowned by boxes.',
      ),
  })
  .describe('What is minimised: the mean cross-entropy of the supervised tokens of a global batch.');

const projectorFit = z
  .strictObject({
    images: z.int().min(1).max(1_000_000).default(1024).describe('So many of the run’s first images are looked at.'),
    ridge: z
      .number()
      .positive()
      .max(1e6)
      .default(0.01)
      .describe('Weight of the penalty on large values, in mean variances of an input.'),
  })
  .describe(
    'A projector that begins at random is fitted before the first step: by ridge regression of visual tokens onto the words of the answers about their image, rarer words weighing more. Without effect where the projector comes from a checkpoint or a file. Absent: it begins at random, as the reference.',
  );

/** Schema of `train`. */
export const trainSchema = z
  .strictObject({
    trainable: z
      .array(z.enum(TRAINABLE_GROUPS))
      .min(1)
      .optional()
      .describe('Groups of parameters that this run trains, within what its stage allows. Default: the stage’s own.'),
    steps: count(100_000_000).describe('Updates of the parameters.'),
    globalBatch: count(1_000_000).describe(
      'Examples of one update. With data.mixture.unit: batch it is left out, and the mean of the batches stands here.',
    ),
    microBatch: z
      .union([count(100_000), z.literal('auto')])
      .optional()
      .describe(
        'Examples that pass through the model at once; divides globalBatch. Packed rows stay whole: a pass has as many as hold at most so many examples, and at least one. auto: the largest that fits engine.memory by estimate. Default: globalBatch.',
      ),
    seed: z
      .int()
      .min(0)
      .max(Number.MAX_SAFE_INTEGER)
      .default(42)
      .describe('Seeds initial weights, the order of the data and dropout.'),
    optimizer,
    schedule: schedule.prefault({}),
    loss: loss.prefault({}),
    projectorFit: projectorFit.optional(),
    clip: z
      .number()
      .positive()
      .max(1e6)
      .optional()
      .describe('Largest norm of all gradients together; longer gradients are shortened to it. Default: no clipping.'),
    recompute: z
      .boolean()
      .default(false)
      .describe('Whether blocks are computed again in the backward pass instead of keeping their activations.'),
    onNonFinite: onNonFinite.prefault({}),
    checkpoint: checkpoint.prefault({}),
    eval: evaluation.optional(),
    patches: patchesSchema.optional(),
  })
  .describe('How it is trained.');

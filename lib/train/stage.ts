/** What a stage is: which parameters may train in it, and which kinds of source it accepts. Numbers belong to configs. */

import type { SourceKind } from '../data/source.ts';

/** Groups of parameters that train or stay frozen together. */
export type TrainableGroup = 'vision' | 'projector' | 'lora' | 'llm';

/** What may train, and which kinds of source are allowed. */
export interface Stage {
  name: string;
  /** One sentence for people. */
  summary: string;
  /** Groups that a run of this stage may train. */
  mayTrain: readonly TrainableGroup[];
  /** Groups that train when the run does not say; part of `mayTrain`. */
  trains: readonly TrainableGroup[];
  /** Kinds of source that a run of this stage may draw from. */
  accepts: readonly SourceKind[];
  /**
   * What is learnt. `text`, the default: answers, token by token. `patches`: what each patch of an image shows, by the vision tower
   * alone; its source must know that of its images.
   */
  objective?: 'text' | 'patches';
}

/** Declares a stage; a user's own joins the built-in ones in the same way. */
export function defineStage(stage: Stage): Stage {
  const beyond = stage.trains.filter((group) => !stage.mayTrain.includes(group));
  if (beyond.length > 0) throw new RangeError(`stage ${stage.name} trains ${beyond.join(', ')} without allowing it`);
  return stage;
}

/** A choice that a stage does not allow. */
export interface StageBreach {
  /** Path of the value in the run file. */
  path: readonly (string | number)[];
  message: string;
  found: string;
  expected: string;
}

/** What a run asks of its stage. */
export interface StageChoice {
  trainable: readonly TrainableGroup[];
  /** The sources in the order of the mixture. */
  sources: readonly { name: string; kind: SourceKind }[];
}

/** Everything in a choice that the stage does not allow; empty when all is well. */
export function stageBreaches(stage: Stage, choice: StageChoice): StageBreach[] {
  const groups = choice.trainable.filter((group) => !stage.mayTrain.includes(group));
  const breaches: StageBreach[] = groups.map((group) => ({
    path: ['train', 'trainable'],
    message: `${stage.name} does not train ${group}`,
    found: group,
    expected: `some of ${stage.mayTrain.join(', ')}`,
  }));
  for (const [index, source] of choice.sources.entries()) {
    if (stage.accepts.includes(source.kind)) continue;
    breaches.push({
      path: ['data', 'mixture', 'sources', index, 'source'],
      message: `${stage.name} takes no source of kind ${source.kind}`,
      found: `${source.name}, ${source.kind}`,
      expected: `sources of kind ${stage.accepts.join(', ')}`,
    });
  }
  return breaches;
}

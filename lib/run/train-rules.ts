/** Rules that bind `train` to other parts of a run file. */

import type { RuleIssue } from '../config/rules.ts';
import type { RunConfig } from '../config/schema.ts';
import { MEAN } from '../eval/metrics/figures.ts';
import { SCORED_TASKS } from '../eval/metrics/summary.ts';
import type { Stage } from '../train/stage.ts';

/** Evaluation during training needs questions, and a best checkpoint needs the evaluation and a figure of it. */
export function examRules({ train, eval: questions }: RunConfig, stage: Stage): RuleIssue[] {
  const { eval: settings, checkpoint } = train;
  const issues: RuleIssue[] = [];
  if (settings !== undefined && stage.objective === 'patches') {
    const message = `${stage.name} trains no language model that could answer`;
    issues.push({ path: ['train', 'eval'], message, found: 'train.eval', expected: 'no such settings' });
  } else if (settings !== undefined && questions === undefined) {
    issues.push({
      path: ['train', 'eval'],
      message: 'train.eval asks the questions of the eval block, and there is none',
      found: 'no eval',
      expected: 'eval.sources with held-out samples',
    });
  }
  const { best } = checkpoint;
  if (best === undefined) return issues;
  if (settings === undefined) {
    issues.push({
      path: ['train', 'checkpoint', 'best'],
      message: 'the best checkpoint is chosen by train.eval, and there is none',
      found: 'no train.eval',
      expected: 'train.eval with everySteps',
    });
  }
  const names: readonly string[] = [...SCORED_TASKS, MEAN];
  if (!names.includes(best.metric.split('.')[0] ?? '')) {
    issues.push({
      path: ['train', 'checkpoint', 'best', 'metric'],
      message: `there is no figure ${best.metric}`,
      found: best.metric,
      expected: `one of ${names.join(', ')}, or a detail such as vqa.count`,
    });
  }
  return issues;
}

/** What a tower sees can be stored only while it does not change. */
export function featureRules({ data, train }: RunConfig, stage: Stage): RuleIssue[] {
  const trains = train.trainable ?? stage.trains;
  if (data.featureCache === undefined || !trains.includes('vision')) return [];
  return [
    {
      path: ['data', 'featureCache'],
      message: 'features of a vision tower that trains would be wrong after one step',
      found: 'data.featureCache, and vision trains',
      expected: 'no data.featureCache, or a frozen tower',
    },
  ];
}

/** Only what a run trains is fitted. */
export function fitRules({ train }: RunConfig, stage: Stage): RuleIssue[] {
  const trains = train.trainable ?? stage.trains;
  if (train.projectorFit === undefined || trains.includes('projector')) return [];
  return [
    {
      path: ['train', 'projectorFit'],
      message: 'a projector that does not train is not fitted either',
      found: `train.projectorFit, and ${trains.join(', ')} train${trains.length > 1 ? '' : 's'}`,
      expected: 'no train.projectorFit, or projector among train.trainable',
    },
  ];
}

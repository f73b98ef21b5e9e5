/** Rules that bind several values of a run together; each has the path that a user would change. */

import type { ConfigIssue } from './errors.ts';
import { fixedMicroBatch } from './micro-batch.ts';
import { meanBatch } from './mixture.ts';
import type { RunConfig } from './schema.ts';
import type { Path } from './tree.ts';

/** A broken rule: a fault whose place is the value at `path`. */
export type RuleIssue = Omit<ConfigIssue, 'where' | 'code'> & { path: Path };

/** A rule gives the faults that it finds. */
export type Rule = (config: RunConfig) => RuleIssue[];

/** The rules that hold for every run. */
export const COMMON_RULES: readonly Rule[] = [modelRules, dataRules, trainRules];

interface Multiple {
  path: Path;
  value: number;
  of: number;
  what: string;
}

function multiples(list: readonly Multiple[]): RuleIssue[] {
  return list
    .filter(({ value, of }) => value % of !== 0)
    .map(({ path, value, of, what }) => ({
      path,
      message: `${path.join('.')} must be a multiple of ${what}`,
      found: String(value),
      expected: `a multiple of ${of}`,
    }));
}

function modelRules({ model }: RunConfig): RuleIssue[] {
  const { vision, llm, join } = model;
  const issues = multiples([
    { path: ['model', 'vision', 'imageSize'], value: vision.imageSize, of: vision.patch, what: 'model.vision.patch' },
    { path: ['model', 'vision', 'width'], value: vision.width, of: vision.heads, what: 'model.vision.heads' },
    { path: ['model', 'llm', 'width'], value: llm.width, of: 2 * llm.heads, what: 'twice model.llm.heads' },
    { path: ['model', 'llm', 'heads'], value: llm.heads, of: llm.kvHeads ?? llm.heads, what: 'model.llm.kvHeads' },
  ]);
  if (model.vocabulary === 'pruned' && model.weights.llm !== undefined) {
    issues.push({
      path: ['model', 'vocabulary'],
      message: 'published weights have a row for every piece of the tokenizer',
      found: 'pruned, and model.weights.llm',
      expected: 'whole',
    });
  }
  const patches = (vision.imageSize / vision.patch) ** 2;
  if (Number.isInteger(patches) && patches % join !== 0) {
    issues.push({
      path: ['model', 'join'],
      message: `the ${patches} patches of an image cannot be joined by ${join}`,
      found: String(join),
      expected: `a divisor of ${patches}`,
    });
  }
  return issues;
}

function dataRules(config: RunConfig): RuleIssue[] {
  const { data } = config;
  const units = data.mixture.unit === 'batch' ? batchRules(config) : sampleRules(config);
  if (data.packing === undefined || data.packing.maxTokens >= data.maxTokens) return units;
  return [
    ...units,
    {
      path: ['data', 'packing', 'maxTokens'],
      message: 'a packed row is shorter than the longest example',
      found: String(data.packing.maxTokens),
      expected: `at least data.maxTokens, ${data.maxTokens}`,
    },
  ];
}

function sampleRules({ data }: RunConfig): RuleIssue[] {
  return data.mixture.sources.flatMap(({ batch }, line) =>
    batch === undefined
      ? []
      : [
          {
            path: ['data', 'mixture', 'sources', line, 'batch'],
            message: 'a source has a batch of its own only with data.mixture.unit: batch',
            found: String(batch),
            expected: 'no batch: every sample of train.globalBatch draws its source',
          },
        ],
  );
}

function batchRules({ data, train }: RunConfig): RuleIssue[] {
  const { sources } = data.mixture;
  const issues: RuleIssue[] = sources.flatMap(({ batch, source }, line) =>
    batch !== undefined
      ? []
      : [
          {
            path: ['data', 'mixture', 'sources', line],
            message: `with data.mixture.unit: batch a step of ${source} needs to know its size`,
            found: 'no batch',
            expected: 'batch: 6, for example',
          },
        ],
  );
  // The mean is what a resolved configuration says, which may be read again.
  if (train.globalBatch !== meanBatch(sources)) {
    issues.push({
      path: ['train', 'globalBatch'],
      message: 'with data.mixture.unit: batch each source has its own batch',
      found: String(train.globalBatch),
      expected: 'no train.globalBatch',
    });
  }
  return issues;
}

function trainRules({ data, model, train }: RunConfig): RuleIssue[] {
  const micro = (data.mixture.unit === 'sample' ? fixedMicroBatch(train) : undefined) ?? 1;
  const issues = multiples([
    { path: ['train', 'globalBatch'], value: train.globalBatch, of: micro, what: 'train.microBatch' },
  ]);
  if (train.schedule.minLr > train.optimizer.lr) {
    issues.push({
      path: ['train', 'schedule', 'minLr'],
      message: 'the learning rate would end above its peak',
      found: String(train.schedule.minLr),
      expected: `at most train.optimizer.lr, ${train.optimizer.lr}`,
    });
  }
  if (train.trainable?.includes('lora') && model.lora === undefined) {
    issues.push({
      path: ['train', 'trainable'],
      message: 'lora is to train, but the model has no adapters',
      found: 'lora',
      expected: 'model.lora with rank and alpha, or no lora here',
    });
  }
  return issues;
}

/** What a run file must keep to for the sake of its stage's objective. */

import type { RuleIssue } from '../config/rules.ts';
import type { RunConfig } from '../config/schema.ts';
import type { Source } from '../data/source.ts';
import type { Stage } from '../train/stage.ts';

/** A stage that trains on patches draws from one source that knows them; any other stage takes no settings for them. */
export function patchRules(
  config: RunConfig,
  { stage, sources }: { stage: Stage; sources: readonly Source[] },
): RuleIssue[] {
  if (stage.objective !== 'patches') {
    if (config.train.patches === undefined) return [];
    const message = `${stage.name} does not train on patches`;
    return [{ path: ['train', 'patches'], message, found: 'train.patches', expected: 'no such settings' }];
  }
  const issues: RuleIssue[] = [];
  const [source] = sources;
  if (sources.length > 1) {
    const message = `${stage.name} draws from a single source`;
    issues.push({ path: ['data', 'mixture', 'sources'], message, found: `${sources.length} sources`, expected: 'one' });
  }
  if (source?.patches === undefined) {
    issues.push({
      path: ['data', 'mixture', 'sources', 0, 'source'],
      message: `${source?.name ?? 'the source'} does not know what each patch of its images shows`,
      found: source?.name ?? 'none',
      expected: 'a source with the truth of each patch, such as emoji-scenes',
    });
  }
  issues.push(...textSettings(config, stage.name));
  if (config.engine.precision !== 'float32') {
    const message = `${stage.name} trains every weight, and weights that train stay float32`;
    issues.push({ path: ['engine', 'precision'], message, found: config.engine.precision, expected: 'float32' });
  }
  if (config.init !== undefined) {
    const message = `${stage.name} starts from random numbers or from model.weights.vision`;
    issues.push({ path: ['init'], message, found: config.init.from, expected: 'no init' });
  }
  return issues;
}

/** Settings that would be given in vain. */
function textSettings({ data, train, eval: evaluation }: RunConfig, stage: string): RuleIssue[] {
  const given: [boolean, readonly string[]][] = [
    [data.packing !== undefined, ['data', 'packing']],
    [data.mixture.unit !== 'sample', ['data', 'mixture', 'unit']],
    [train.loss.weighting !== 'token', ['train', 'loss', 'weighting']],
    [train.recompute, ['train', 'recompute']],
    [evaluation !== undefined, ['eval']],
  ];
  return given
    .filter(([isGiven]) => isGiven)
    .map(([, path]) => ({
      path,
      message: `${path.join('.')} has no meaning in ${stage}, which has no texts`,
      found: path.join('.'),
      expected: 'no such setting',
    }));
}

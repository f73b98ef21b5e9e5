/** A checked run as YAML: what a run folder keeps, and what `validate --print` shows. */

import { Document, isMap, isPair, isScalar, isSeq } from 'yaml';
import type { RunConfig } from './schema.ts';
import { describeOrigin, type Origin } from './tree.ts';

/** Top-level keys in the order of a shipped file. */
const ORDER = ['version', 'name', 'stage', 'plugins', 'engine', 'model', 'init', 'data', 'train', 'eval'];

/**
 * The complete run as YAML; reading it again gives the same run.
 * @param origins when given, each value is followed by a comment that says where it came from
 */
export function printConfig(config: RunConfig, origins?: ReadonlyMap<string, Origin>): string {
  const { $schema: _, ...rest } = config;
  const sorted = Object.entries(rest).sort(([a], [b]) => ORDER.indexOf(a) - ORDER.indexOf(b));
  const document = new Document(JSON.parse(JSON.stringify(Object.fromEntries(sorted))));
  annotate(document.contents, '', origins);
  return document.toString({ lineWidth: 0 });
}

function annotate(node: unknown, path: string, origins: ReadonlyMap<string, Origin> | undefined): void {
  const comment = (): string | undefined => {
    const origin = origins?.get(path);
    return origin === undefined ? undefined : ` ${describeOrigin(origin)}`;
  };
  const below = (key: unknown) => (path === '' ? String(key) : `${path}.${key}`);
  if (isScalar(node)) node.comment = comment() ?? null;
  else if (isSeq(node) && node.items.every((item) => isScalar(item))) {
    node.flow = true;
    node.comment = comment() ?? null;
  } else if (isSeq(node)) for (const [index, item] of node.items.entries()) annotate(item, below(index), origins);
  else if (isMap(node)) {
    for (const pair of node.items)
      if (isPair(pair)) annotate(pair.value, below(isScalar(pair.key) ? pair.key.value : ''), origins);
  }
}

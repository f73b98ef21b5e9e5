/** Other names of sources, such as the reference's: whoever writes one gets the source itself with what the name stands for. */

import type { SourceDeclaration } from './schema.ts';
import { type ConfigNode, fromPlain, nodeAt, overlay, replaceAt } from './tree.ts';

/** The lists of a run file whose items name a source. */
const LISTS = [
  ['data', 'mixture', 'sources'],
  ['eval', 'sources'],
] as const;

/** The tree with every other name replaced by the source's own, and the options of the name below those of the line. */
export function withSourceNames(start: ConfigNode, sources: readonly SourceDeclaration[]): ConfigNode {
  let tree = start;
  for (const path of LISTS) {
    const list = nodeAt(tree, path);
    if (list?.kind !== 'list') continue;
    const items = list.items.map((line) => withSourceName(line, sources));
    if (items.some((item, place) => item !== list.items[place])) tree = replaceAt(tree, path, { ...list, items });
  }
  return tree;
}

function withSourceName(line: ConfigNode, sources: readonly SourceDeclaration[]): ConfigNode {
  const named = nodeAt(line, ['source']);
  const written = named?.kind === 'scalar' && typeof named.value === 'string' ? named.value : undefined;
  if (written === undefined || named === undefined) return line;
  const source = sources.find(({ aliases }) => aliases !== undefined && Object.hasOwn(aliases, written));
  if (source === undefined) return line;
  const meant = fromPlain({ ...source.aliases?.[written] }, { kind: 'preset', name: written });
  const own = overlay(meant, line);
  return replaceAt(own, ['source'], { kind: 'scalar', origin: named.origin, value: source.name });
}

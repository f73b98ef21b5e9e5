/** What tells lines of a mixture apart that have one source and one task: `part: detail` of LLaVA, `from: phrase` of Flickr30k. */

import type { SourceConfig } from '../config/schema.ts';
import { partLine } from './open-source.ts';

/** Where files lie says nothing of what they hold. */
const PLACES = ['source', 'task', 'root', 'index', 'annotations', 'images'];

/**
 * For each line the options that others of its source and task have otherwise, as `key: value`; undefined where it is the only one,
 * or where places alone differ.
 */
export function lineParts(lines: readonly SourceConfig[]): (string | undefined)[] {
  const named = lines.map((config) => partLine(config).line);
  return named.map((line) => {
    const alike = named.filter((other) => other.source === line.source && other.task === line.task);
    const keys = Object.keys(line).filter((key) => {
      const own = JSON.stringify(line[key]);
      return !PLACES.includes(key) && alike.some((other) => JSON.stringify(other[key]) !== own);
    });
    if (keys.length === 0) return undefined;
    return keys.map((key) => `${key}: ${valueText(line[key])}`).join(', ');
  });
}

function valueText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'none');
}

/** From zod's findings to faults with place, found, expected and suggestion. */

import type { z } from 'zod';
import { type ConfigIssue, quote } from './errors.ts';
import { closest } from './suggest.ts';
import {
  type ConfigNode,
  childOf,
  describeOrigin,
  describePath,
  nearestOrigin,
  nodeAt,
  type Path,
  toPlain,
} from './tree.ts';
import { knownKeys, schemaAt } from './walk.ts';

type ZodIssue = z.core.$ZodIssue;

interface Context {
  schema: z.ZodType;
  tree: ConfigNode;
  plain: unknown;
}

/** The faults of a tree that its schema found, in the order in which they stand in the file. */
export function issuesOf(schema: z.ZodType, tree: ConfigNode, found: readonly ZodIssue[]): ConfigIssue[] {
  const context: Context = { schema, tree, plain: toPlain(tree) };
  const seen = new Set<string>();
  const issues: ConfigIssue[] = [];
  for (const issue of found) {
    const path = issue.path.filter((key) => typeof key !== 'symbol');
    // A number beyond all bounds breaks two rules at once; one fault is enough.
    if (issue.code !== 'unrecognized_keys' && seen.has(describePath(path))) continue;
    if (issue.code !== 'unrecognized_keys') seen.add(describePath(path));
    issues.push(...translate(context, issue, path));
  }
  return issues;
}

function translate(context: Context, issue: ZodIssue, path: Path): ConfigIssue[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(context, path, key));
  const node = nodeAt(context.tree, path);
  if (node === undefined) return [missing(context, path, issue)];
  const where = describeOrigin(node.origin);
  const base = { where, found: found(node) };
  const name = describePath(path) || 'the configuration';
  if (issue.code === 'invalid_value' || (issue.code === 'invalid_union' && 'options' in issue)) {
    const allowed = (issue.code === 'invalid_value' ? issue.values : (issue.options as unknown[])) ?? [];
    return [
      { ...base, code: 'E_CONFIG_VALUE', message: `${name} has a value that is not known`, ...oneOf(node, allowed) },
    ];
  }
  if (issue.code === 'too_small' || issue.code === 'too_big') {
    return [{ ...base, code: 'E_CONFIG_RANGE', message: `${name} is out of range`, expected: bound(issue) }];
  }
  if (issue.code === 'invalid_type') {
    return [
      { ...base, code: 'E_CONFIG_TYPE', message: `${name} has the wrong type`, expected: typeName(issue.expected) },
    ];
  }
  if (issue.code === 'invalid_format') {
    const expected = schemaAt(context.schema, context.plain, path)?.description ?? issue.format;
    return [{ ...base, code: 'E_CONFIG_VALUE', message: `${name} is not of the right form`, expected }];
  }
  return [{ ...base, code: 'E_CONFIG_VALUE', message: `${name}: ${issue.message}` }];
}

function unknownKey({ schema, tree, plain }: Context, path: Path, key: string): ConfigIssue {
  const parent = nodeAt(tree, path);
  const entry = parent?.kind === 'map' ? parent.entries.get(key) : undefined;
  const known = knownKeys(schemaAt(schema, plain, path));
  const suggestion = closest(key, known);
  return {
    code: 'E_CONFIG_UNKNOWN_KEY',
    message: `unknown key ${quote(key)}${path.length > 0 ? ` in ${describePath(path)}` : ''}`,
    where: describeOrigin(entry?.keyOrigin ?? nearestOrigin(tree, path)),
    found: key.length <= 80 ? key : `${key.slice(0, 77)}...`,
    expected: known.join(', '),
    ...(suggestion === undefined ? {} : { fix: `did you mean ${suggestion}?` }),
  };
}

function missing({ schema, plain, tree }: Context, path: Path, issue: ZodIssue): ConfigIssue {
  const parent = nodeAt(tree, path.slice(0, -1));
  const description = schemaAt(schema, plain, path)?.description;
  const expected = issue.code === 'invalid_type' ? typeName(issue.expected) : expectedValues(issue);
  return {
    code: 'E_CONFIG_MISSING',
    message: `${describePath(path)} is missing`,
    where: describeOrigin(parent?.origin ?? nearestOrigin(tree, path)),
    found: 'nothing',
    ...(expected === undefined ? {} : { expected }),
    ...(description === undefined ? {} : { fix: `add it: ${description}` }),
  };
}

function expectedValues(issue: ZodIssue): string | undefined {
  if (issue.code === 'invalid_value') return issue.values.map(String).join(', ');
  if (issue.code === 'invalid_union' && 'options' in issue) return (issue.options as unknown[]).map(String).join(', ');
  return undefined;
}

function oneOf(node: ConfigNode, allowed: readonly unknown[]): { expected: string; fix?: string } {
  const words = allowed.map(String);
  const suggestion = node.kind === 'scalar' ? closest(String(node.value), words) : undefined;
  const expected = words.length === 1 ? (words[0] ?? '') : `one of ${words.join(', ')}`;
  return suggestion === undefined ? { expected } : { expected, fix: `did you mean ${suggestion}?` };
}

function bound(issue: Extract<ZodIssue, { code: 'too_small' | 'too_big' }>): string {
  const limit = issue.code === 'too_small' ? issue.minimum : issue.maximum;
  const words = issue.code === 'too_small' ? ['at least', 'more than'] : ['at most', 'less than'];
  const unit = issue.origin === 'array' ? ' items' : issue.origin === 'string' ? ' characters' : '';
  return `${issue.inclusive === false ? words[1] : words[0]} ${limit}${unit}`;
}

function typeName(expected: string): string {
  const names: Record<string, string> = {
    object: 'a map of keys',
    record: 'a map of keys',
    array: 'a list',
    tuple: 'a list of fixed length',
    string: 'a text',
    int: 'a whole number',
    number: 'a finite number',
    boolean: 'true or false',
  };
  return names[expected] ?? expected;
}

function found(node: ConfigNode): string {
  if (node.kind === 'scalar') return quote(node.value);
  if (node.kind === 'list') return `a list of ${node.items.length}`;
  const keys = [...node.entries.keys()].filter((key) => childOf(node, key) !== undefined);
  return keys.length === 0 ? 'an empty map' : `a map with ${quote(keys.slice(0, 3).join(', '))}`;
}

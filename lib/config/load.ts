/** From a file's name to one tree: the file, what it extends, and `--set` arguments, laid over one another. */

import { readFileSync, statSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import { configError, quote } from './errors.ts';
import { type ConfigNode, describeOrigin, fromPlain, nodeAt, type Origin, overlay, replaceAt } from './tree.ts';
import { readYaml } from './yaml.ts';

/** `extends` of `extends`: more than a handful is a loop in disguise or a mistake. */
const MAX_CHAIN = 16;
const MAX_FILE_BYTES = 256 * 1024;

export interface LoadOptions {
  /** `a.b=c` arguments, later ones win. */
  set?: readonly string[];
}

/**
 * Reads a run file with everything that it extends (base first) and lays the `--set` arguments on top.
 * @param file path of the YAML file, relative to the current directory or absolute; messages name it as given
 * @returns the tree without `extends`; nothing is checked against the schema yet
 * @throws TristageError E_CONFIG_FILE for a file that cannot be read, E_CONFIG_EXTENDS, E_CONFIG_SET, and those of readYaml
 */
export function loadTree(file: string, options: LoadOptions = {}): ConfigNode {
  let tree = loadChain(file, []);
  for (const argument of options.set ?? []) tree = applySet(tree, argument);
  return withPluginPaths(tree);
}

/** `plugins` with absolute paths: a file names them relative to itself, `--set` relative to the current directory. */
function withPluginPaths(tree: ConfigNode): ConfigNode {
  const plugins = nodeAt(tree, ['plugins']);
  if (plugins?.kind !== 'list') return tree;
  const items = plugins.items.map((item): ConfigNode => {
    if (item.kind !== 'scalar' || typeof item.value !== 'string' || item.value === '') return item;
    const folder = item.origin.kind === 'file' ? dirname(item.origin.file) : '';
    return { ...item, value: resolve(folder, item.value) };
  });
  return replaceAt(tree, ['plugins'], { ...plugins, items });
}

function loadChain(file: string, above: readonly string[]): ConfigNode {
  const chain = [...above, resolve(file)];
  const tree = readYaml({ text: readText(file), name: file });
  if (tree.kind !== 'map') {
    throw configError({
      code: 'E_CONFIG_TYPE',
      message: 'a configuration must be a map of keys',
      where: describeOrigin(tree.origin),
      found: tree.kind === 'list' ? 'a list' : quote(tree.value),
      expected: 'keys such as version, name, stage',
    });
  }
  const entries = new Map(tree.entries);
  const base = entries.get('extends')?.value;
  entries.delete('extends');
  const own: ConfigNode = { ...tree, entries };
  return base === undefined ? own : overlay(loadChain(baseFile(base, file, chain), chain), own);
}

/** The name of the file that is extended, checked: a text, no loop, a short chain. */
function baseFile(node: ConfigNode, file: string, chain: readonly string[]): string {
  const where = describeOrigin(node.origin);
  if (node.kind !== 'scalar' || typeof node.value !== 'string' || node.value === '') {
    const expected = 'the path of one YAML file, relative to this file';
    throw configError({ code: 'E_CONFIG_EXTENDS', message: '`extends` must name a file', where, expected });
  }
  const base = isAbsolute(node.value) ? node.value : joinShort(file, node.value);
  if (chain.includes(resolve(base)) || chain.length >= MAX_CHAIN) {
    throw configError({
      code: 'E_CONFIG_EXTENDS',
      message: chain.includes(resolve(base))
        ? 'files extend one another in a circle'
        : 'too many files extend one another',
      where,
      found: quote(node.value),
      expected: `a chain of at most ${MAX_CHAIN} different files`,
    });
  }
  return base;
}

/** `configs/minigptv2/a.yaml` and `../base/b.yaml` give `configs/base/b.yaml`: relative as the first was given. */
function joinShort(file: string, relative: string): string {
  const target = resolve(dirname(resolve(file)), relative);
  const here = `${process.cwd()}/`;
  return !isAbsolute(file) && target.startsWith(here) ? target.slice(here.length) : target;
}

function readText(file: string): string {
  const fail = (found: string, cause?: unknown) =>
    configError({
      code: 'E_CONFIG_FILE',
      message: 'the configuration cannot be read',
      where: file,
      found: cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : found,
      expected: 'a readable YAML file',
      fix: 'check the path; it is relative to the current directory (`extends`: to the file that holds it)',
    });
  let size: number;
  try {
    const stat = statSync(file);
    if (!stat.isFile()) throw fail(stat.isDirectory() ? 'a folder' : 'something that is no file');
    size = stat.size;
  } catch (error) {
    throw error instanceof Error && 'exitStatus' in error ? error : fail('', error);
  }
  // Checked again by the YAML reader; here it keeps a huge file from being read at all.
  if (size > MAX_FILE_BYTES) throw fail(`${size} bytes, more than ${MAX_FILE_BYTES}`);
  return readFileSync(file, 'utf8');
}

/** Lays one `a.b=c` over a tree. The value is read as YAML; list items are named by index; `null` takes a value away. */
export function applySet(tree: ConfigNode, argument: string): ConfigNode {
  const fail = (found: string, expected: string) =>
    configError({
      code: 'E_CONFIG_SET',
      message: 'this --set argument cannot be applied',
      where: `--set ${argument}`,
      found,
      expected,
    });
  const equals = argument.indexOf('=');
  const path = argument.slice(0, Math.max(0, equals)).split('.');
  if (equals < 1 || path.some((part) => part === ''))
    throw fail(quote(argument), 'key.key=value, such as train.steps=100');
  if (path.some((part) => ['__proto__', 'constructor', 'prototype'].includes(part))) {
    throw fail(quote(path.join('.')), 'keys that are plain words');
  }
  const origin: Origin = { kind: 'set', argument };
  const text = argument.slice(equals + 1);
  // An empty right side is an empty text: `--set a=` would otherwise be null, which takes the key away.
  const value = text === '' ? fromPlain('', origin) : readYaml({ text, name: `--set ${argument}`, origin });
  try {
    return replaceAt(tree, path, value);
  } catch (error) {
    throw fail(error instanceof Error ? error.message : String(error), 'a path of keys and list indices');
  }
}

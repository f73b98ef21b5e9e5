/** Who may import whom (docs/design-rules.md): read from the sources, so that a breach fails on the day it is made. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, test } from 'node:test';

const ROOT = resolve(import.meta.dirname, '../..');

interface Rule {
  /** Folders (or files) that may be imported. */
  own: readonly string[];
  /** Folders of which only types may be imported. */
  types?: readonly string[];
  packages?: readonly string[];
}

const LIB = [
  'core',
  'formats',
  'config',
  'engine',
  'model',
  'data',
  'train',
  'checkpoint',
  'eval',
  'export',
  'report',
  'run',
].map((folder) => `lib/${folder}`);

/** The table of the design; a folder may always import itself and Node's own modules. */
const RULES: Readonly<Record<string, Rule>> = {
  'lib/core': { own: [] },
  'lib/formats': { own: ['lib/core'], packages: ['yauzl', 'apache-arrow', 'tar-stream', 'hyparquet'] },
  'lib/config': { own: ['lib/core'], packages: ['zod', 'yaml'] },
  'lib/engine': {
    own: ['lib/core'],
    packages: ['@tensorflow/tfjs', '@tensorflow/tfjs-node-gpu', 'node-api-headers'],
  },
  'lib/model': { own: ['lib/core', 'lib/engine'], types: ['lib/formats'] },
  'lib/data': {
    own: ['lib/core', 'lib/formats'],
    packages: [
      '@huggingface/tokenizers',
      'apache-arrow',
      'flatbuffers',
      'llama-tokenizer-js',
      'sharp',
      'tinyglobby',
      'zod',
    ],
  },
  'lib/train': { own: ['lib/core', 'lib/engine', 'lib/model'], types: ['lib/data', 'lib/formats'] },
  'lib/checkpoint': { own: ['lib/core', 'lib/formats', 'lib/engine'], types: ['lib/model', 'lib/train'] },
  'lib/eval': { own: ['lib/core', 'lib/formats', 'lib/engine', 'lib/model', 'lib/data', 'lib/checkpoint'] },
  'lib/export': {
    own: ['lib/core', 'lib/formats', 'lib/engine', 'lib/model', 'lib/data', 'lib/checkpoint'],
    packages: ['zod'],
  },
  'lib/report': { own: ['lib/core'], packages: ['@observablehq/plot', 'fontkitten', 'linkedom', 'sharp'] },
  'lib/run': { own: LIB, packages: ['zod'] },
  // What a program calls joins lib with the sources and stages that ship, as bin does.
  'lib/api': { own: [...LIB, 'datasets', 'stages'] },
  'lib/index.ts': { own: [...LIB, 'lib/api'], packages: ['zod'] },
  datasets: { own: ['lib/core', 'lib/formats', 'lib/data'], packages: ['zod', 'sharp', 'fast-xml-parser'] },
  stages: { own: ['lib/core', 'lib/train', 'lib/data'] },
  bin: { own: ['lib/api', 'lib/run', 'lib/config', 'lib/core', 'datasets', 'stages'], packages: ['yargs', 'chalk'] },
};

interface Import {
  file: string;
  target: string;
  typeOnly: boolean;
}

function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|mjs)$/.test(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}

/** Static, re-export and literal dynamic imports of one file. */
function importsOf(file: string): Import[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const found: Import[] = [];
  for (const match of text.matchAll(/^\s*(import|export)\s+(type\s)?([^;'"]*?\sfrom\s+)?['"]([^'"]+)['"]/gm)) {
    found.push({ file, target: match[4]!, typeOnly: match[2] !== undefined });
  }
  for (const match of text.matchAll(/import\(\s*['"]([^'"]+)['"]\s*\)/g)) {
    found.push({ file, target: match[1]!, typeOnly: false });
  }
  return found;
}

function folderOf(path: string): string {
  if (RULES[path]) return path;
  const [top, second] = path.split('/');
  return top === 'lib' ? `lib/${second}` : top!;
}

/** What is wrong with an import, or undefined. */
function breach({ file, target, typeOnly }: Import): string | undefined {
  const from = folderOf(file);
  const rule = RULES[from];
  if (!rule) return `${file}: folder '${from}' has no rule`;
  if (target.startsWith('node:')) return undefined;
  if (!target.startsWith('.')) {
    const name = target
      .split('/')
      .slice(0, target.startsWith('@') ? 2 : 1)
      .join('/');
    return rule.packages?.includes(name) ? undefined : `${file} imports package ${target}`;
  }
  const to = folderOf(relative(ROOT, resolve(ROOT, dirname(file), target)));
  if (to === from || rule.own.includes(to)) return undefined;
  if (typeOnly && rule.types?.includes(to)) return undefined;
  return `${file} imports ${target}${rule.types?.includes(to) ? ' (only types are allowed)' : ''}`;
}

const files = ['lib', 'datasets', 'stages', 'bin'].flatMap(sources);
const imports = files.flatMap(importsOf);

describe('import rules', () => {
  test('there is something to check', () => {
    assert.ok(files.length > 20 && imports.length > 50, `${files.length} files, ${imports.length} imports`);
  });

  test('every folder imports only what the design allows', () => {
    assert.deepEqual(imports.map(breach).filter(Boolean), []);
  });

  test('the rules catch a breach', () => {
    assert.match(breach({ file: 'lib/core/x.ts', target: '../engine/tf.ts', typeOnly: false })!, /imports/);
    assert.match(breach({ file: 'lib/model/x.ts', target: '@tensorflow/tfjs', typeOnly: false })!, /package/);
    assert.match(breach({ file: 'lib/train/x.ts', target: '../data/sample.ts', typeOnly: false })!, /only types/);
    assert.equal(breach({ file: 'lib/train/x.ts', target: '../data/sample.ts', typeOnly: true }), undefined);
  });

  test('no file of the sources takes part in an import cycle', () => {
    const edges = new Map<string, string[]>();
    for (const { file, target } of imports) {
      if (!target.startsWith('.')) continue;
      edges.set(file, [...(edges.get(file) ?? []), relative(ROOT, resolve(ROOT, dirname(file), target))]);
    }
    const finished = new Set<string>();
    const walk = (file: string, path: readonly string[]): void => {
      assert.ok(!path.includes(file), `cycle: ${[...path, file].join(' -> ')}`);
      if (finished.has(file)) return;
      for (const next of edges.get(file) ?? []) walk(next, [...path, file]);
      finished.add(file);
    };
    for (const file of edges.keys()) walk(file, []);
  });
});

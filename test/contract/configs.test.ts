/** Every run file that ships: it validates, its schema is fresh, and each number says where it comes from. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { registry } from '../../bin/registry.ts';
import { loadTree } from '../../lib/config/load.ts';
import { checkTree } from '../../lib/config/resolve.ts';
import { schemaText, vocabularyOf } from '../../lib/run/config.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const CONFIGS = join(ROOT, 'configs');

const files = readdirSync(CONFIGS, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => join(CONFIGS, name));

/** Stands for every variable that a shipped file may use. */
const environment = { TRISTAGE_SAMPLE_DIR: 'sample' };

describe('shipped run files', () => {
  test('there are some', () => assert.ok(files.length > 0));

  for (const file of files) {
    const name = relative(ROOT, file);
    const text = readFileSync(file, 'utf8');

    test(`${name} is valid`, () => {
      // Files in base/ are only ever extended and need not be whole.
      if (relative(CONFIGS, file).startsWith('base/')) return;
      const { config } = checkTree(loadTree(file), { vocabulary: vocabularyOf(registry), environment });
      assert.equal(config.version, 1);
    });

    test(`${name} names the JSON Schema for editors`, () => {
      const schema = /^# yaml-language-server: \$schema=(\S+)$/m.exec(text)?.[1];
      assert.ok(schema !== undefined && existsSync(join(dirname(file), schema)), schema);
    });

    test(`${name} says of each number where it comes from`, () => {
      const silent = text.split('\n').filter((line, index, lines) => {
        if (/^\s*#/.test(line) || !/[:[,]\s*-?\d/.test(line) || /^version:/.test(line)) return false;
        const above = lines[index - 1] ?? '';
        return !/#.*(paper|released|our choice|COCO|EVA|LLaMA)/.test(line) && !/^\s*#/.test(above);
      });
      assert.deepEqual(silent, []);
    });
  }
});

test('configs/schema/run.schema.json is fresh: `tristage schema > configs/schema/run.schema.json`', () => {
  assert.equal(readFileSync(join(CONFIGS, 'schema/run.schema.json'), 'utf8'), schemaText(registry));
});

test('the JSON Schema is draft 7, closed, and describes every key down to the options of sources', () => {
  const schema = JSON.parse(schemaText(registry)) as Record<string, unknown>;
  assert.equal(schema['$schema'], 'http://json-schema.org/draft-07/schema#');
  const silent: string[] = [];
  const walk = (node: Record<string, unknown>, path: string): void => {
    if (node['type'] === 'object') assert.equal(node['additionalProperties'], false, path);
    for (const [key, child] of Object.entries((node['properties'] ?? {}) as Record<string, Record<string, unknown>>)) {
      // Within an option the option's own description speaks for its keys.
      const withinOption = path.includes('[][].');
      if (!withinOption && typeof child['description'] !== 'string') silent.push(`${path}.${key}`);
      walk(child, `${path}.${key}`);
    }
    for (const child of [node['items'], ...((node['oneOf'] ?? []) as unknown[])].flat()) {
      if (typeof child === 'object' && child !== null) walk(child as Record<string, unknown>, `${path}[]`);
    }
  };
  walk(schema, '');
  assert.deepEqual(silent, []);
});

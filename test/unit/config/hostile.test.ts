import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readYaml } from '../../../lib/config/yaml.ts';
import { faults, valid } from './vocabulary.ts';

function refused(text: string): string {
  try {
    readYaml({ text, name: 'x.yaml' });
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'accepted';
}

test('an alias bomb is refused in bounded memory', () => {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
  for (let i = 1; i < 12; i++)
    lines.push(
      `a${i}: &a${i} [${Array(10)
        .fill(`*a${i - 1}`)
        .join(', ')}]`,
    );
  const before = process.memoryUsage().heapUsed;
  assert.equal(refused(lines.join('\n')), 'E_CONFIG_LIMIT');
  assert.ok(process.memoryUsage().heapUsed - before < 200e6);
});

test('an alias to itself is refused', () => {
  assert.notEqual(refused('a: &a [*a]'), 'accepted');
  assert.notEqual(refused('a: *nothing'), 'accepted');
});

test('an honest alias is followed', () => {
  const tree = readYaml({ text: 'a: &x { b: 1 }\nc: *x\n', name: 'x.yaml' });
  assert.equal(tree.kind === 'map' && tree.entries.get('c')?.value.kind, 'map');
});

test('deep nesting is refused in every spelling, without harm to the process', () => {
  const deep: Record<string, string> = {
    flow: '['.repeat(100_000),
    flowMap: '{a: '.repeat(50_000),
    sequence: `${'- '.repeat(100_000)}a`,
    keys: '? '.repeat(100_000),
    values: ': '.repeat(100_000),
    block: Array.from({ length: 300 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
    indentation: `${' '.repeat(100_000)}a: 1`,
    tabs: `${'\t'.repeat(100_000)}a: 1`,
  };
  for (const [name, text] of Object.entries(deep)) assert.equal(refused(text), 'E_CONFIG_LIMIT', name);
  const block = Array.from({ length: 60 }, (_, i) => `${' '.repeat(i)}a:`).join('\n');
  assert.equal(refused(block), 'E_CONFIG_LIMIT');
});

test('a file of many values or many bytes is refused', () => {
  assert.equal(refused(`a: [${'1,'.repeat(30_000)}1]`), 'E_CONFIG_LIMIT');
  assert.equal(refused(`a: ${'x'.repeat(300_000)}`), 'E_CONFIG_LIMIT');
});

test('keys that reach into JavaScript objects are refused and change nothing', () => {
  for (const key of ['__proto__', 'constructor', 'prototype'])
    assert.equal(refused(`${key}: { polluted: 1 }`), 'E_CONFIG_KEY');
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  for (const key of ['toString', 'hasOwnProperty', 'valueOf']) {
    assert.deepEqual(
      faults({ text: `${valid}${key}: 1\n` }).map((f) => f.code),
      ['E_CONFIG_UNKNOWN_KEY'],
      key,
    );
  }
});

test('keys that are no texts, duplicate keys, unknown tags, broken and several documents are refused with their place', () => {
  assert.equal(refused('1: a'), 'E_CONFIG_KEY');
  assert.equal(refused('[a]: b'), 'E_CONFIG_KEY');
  assert.equal(refused('a: 1\na: 2'), 'E_CONFIG_YAML');
  assert.equal(refused('a: !!js/function "x"'), 'E_CONFIG_YAML');
  assert.equal(refused('a: [1'), 'E_CONFIG_YAML');
  assert.equal(refused('a: 1\n---\nb: 2'), 'E_CONFIG_YAML');
  const [fault] = faults({ text: valid.replace('stage: stage-a', 'stage: "open') });
  assert.equal(fault?.code, 'E_CONFIG_YAML');
  assert.match(fault?.at ?? '', /^\d+:\d+$/);
});

test('a file that is no map is refused', () => {
  for (const text of ['', '- 1\n', 'word\n'])
    assert.deepEqual(
      faults({ text }).map((f) => f.code),
      ['E_CONFIG_TYPE'],
      text,
    );
});

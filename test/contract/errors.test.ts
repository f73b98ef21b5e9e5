/** docs/errors.md lists every code that the sources can raise, and no other. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';

const ROOT = resolve(import.meta.dirname, '../..');

function codesIn(text: string, pattern: RegExp): Set<string> {
  return new Set([...text.matchAll(pattern)].map((match) => match[1]!));
}

function sourceText(): string {
  return ['lib', 'bin', 'datasets', 'stages']
    .flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
    )
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(ROOT, name), 'utf8'))
    .join('\n');
}

describe('error codes', () => {
  const raised = codesIn(sourceText(), /'(E_[A-Z][A-Z0-9_]*)'/g);
  const documented = codesIn(readFileSync(join(ROOT, 'docs/errors.md'), 'utf8'), /\b(E_[A-Z][A-Z0-9_]*)\b/g);

  test('the sources raise many codes', () => {
    assert.ok(raised.size > 50, String(raised.size));
  });

  test('each code that can be raised is documented', () => {
    assert.deepEqual(
      [...raised].filter((code) => !documented.has(code)),
      [],
    );
  });

  test('each documented code can be raised', () => {
    assert.deepEqual(
      [...documented].filter((code) => !raised.has(code)),
      [],
    );
  });
});

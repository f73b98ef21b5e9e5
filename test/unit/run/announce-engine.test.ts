import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '../../../lib/core/log.ts';
import type { EngineInfo } from '../../../lib/engine/engine.ts';
import { announceEngine } from '../../../lib/run/announce-engine.ts';

const ENGINE: EngineInfo = { backend: 'torch', device: 'cuda', version: '2.11.0', threads: 4, why: 'it was asked for' };

function said(engine: EngineInfo): string[] {
  const lines: string[] = [];
  announceEngine(createLogger({ sink: (line) => lines.push(line) }), engine);
  return lines;
}

test('a run says which engine computes, where and why', () => {
  assert.deepEqual(said(ENGINE), ['engine: torch 2.11.0 on cuda, 4 threads (it was asked for)']);
});

test('it warns of what its device could do faster', () => {
  const lines = said({ ...ENGINE, slower: ['attention (no kernel image)'] });
  assert.equal(lines[1], 'warning: the engine computes in a slower way: no attention (no kernel image)');
});

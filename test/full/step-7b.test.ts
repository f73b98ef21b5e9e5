/**
 * One training step of EVA ViT-g at 448 px with LLaMA-2-7B in bf16, at micro-batch 1 with recompute: whole where the memory is there, else
 * as deep as fits, and extrapolated from two depths.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { preset } from '../../lib/model/presets.ts';
import { testEngine } from '../support/engine.ts';

/** 256 visual tokens and a short question. */
const TOKENS = 320;
const GB = 1e9;
/** What a step takes beside the layers, and each layer with what is kept of it; generous. */
const BASE = 5.5 * GB;
const LAYER = 0.45 * GB;
const LIMIT = 24 * GB;
/** The depth that the other one is compared with. */
const SHALLOW = 2;

interface Taken {
  before: number;
  weights: number;
  loaded: number;
  peak: number;
  loadSeconds: number;
  stepSeconds: number;
  loss: number;
  fault?: string;
}

function step(layers: number): Taken {
  const config = preset('minigptv2-7b');
  config.llm.layers = layers;
  const child = join(import.meta.dirname, '../support/step-child.ts');
  const engine = testEngine() === 'cpu' ? 'torch' : testEngine();
  const args = ['--import', 'tsx', child, JSON.stringify(config), String(TOKENS), engine];
  const taken = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Taken;
  const { loadSeconds, stepSeconds, weights, peak, loss } = taken;
  process.stdout.write(
    `# ${layers} layers: ${(weights / GB).toFixed(1)} GB of weights in ${loadSeconds.toFixed(0)} s, a step in ${stepSeconds.toFixed(0)} s, peak ${(peak / GB).toFixed(1)} GB, loss ${loss.toFixed(2)}\n`,
  );
  return taken;
}

const available = Number(/MemAvailable:\s+(\d+) kB/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0) * 1024;
const all = preset('minigptv2-7b').llm.layers;
const depth = Math.min(all, Math.floor((available - BASE) / LAYER));
const skip = depth <= SHALLOW ? `needs ${((BASE + (SHALLOW + 1) * LAYER) / GB).toFixed(1)} GB of free memory` : false;

test('a step of the 7B model in bf16 fits into 24 GB at micro-batch 1 with recompute', { skip }, () => {
  const deep = step(depth);
  assert.equal(deep.fault, undefined);
  // Random weights know nothing: the loss is near the logarithm of the vocabulary, wider for wide logits.
  assert.ok(Math.abs(deep.loss - Math.log(32000)) < 2, `${deep.loss}`);
  assert.ok(deep.peak < LIMIT, `${deep.peak} bytes`);
  if (depth === all) return;
  const shallow = step(SHALLOW);
  const whole = (of: 'peak' | 'stepSeconds') =>
    deep[of] + ((deep[of] - shallow[of]) / (depth - SHALLOW)) * (all - depth);
  process.stdout.write(
    `# extrapolated to ${all} layers: peak ${(whole('peak') / GB).toFixed(1)} GB, a step in ${whole('stepSeconds').toFixed(0)} s\n`,
  );
  assert.ok(whole('peak') < LIMIT, `${whole('peak')} bytes at ${all} layers`);
});

/**
 * `npm run parity -- [--engine torch|tensorflow|cpu] [DIR]`: runs every golden fixture folder under DIR (default: the copy in
 * test/parity/fixtures) and compares with what the original implementations computed.
 */
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { formatError } from '../../lib/core/errors.ts';
import { openEngine } from '../../lib/engine/engine.ts';
import { registerFusedKernels } from '../../lib/engine/ops/index.ts';
import { tf } from '../../lib/engine/tf.ts';
import type { ParityResult } from './result.ts';

/** Fixture kind -> its adapter. Adapters are loaded when a folder needs them. */
const ADAPTERS: Readonly<Record<string, () => Promise<{ run(dir: string): Promise<ParityResult[]> }>>> = {
  eva: () => import('./adapters/eva.ts'),
  dinov2: () => import('./adapters/dinov2.ts'),
  llama: () => import('./adapters/llama.ts'),
  llama_gqa: () => import('./adapters/llama.ts'),
  llama_rope: () => import('./adapters/llama-rope.ts'),
  safetensors_dtypes: () => import('./adapters/safetensors-dtypes.ts'),
  gguf: () => import('./adapters/gguf.ts'),
  lora: () => import('./adapters/lora.ts'),
  lora_gqa: () => import('./adapters/lora.ts'),
  'minigptv2-step': () => import('./adapters/minigptv2-step.ts'),
  optim: () => import('./adapters/optim.ts'),
  'text-metrics': () => import('./adapters/text-metrics.ts'),
  preprocess: () => import('./adapters/preprocess.ts'),
  tokenizer: () => import('./adapters/tokenizer.ts'),
  'fast-tokenizers': () => import('./adapters/fast-tokenizers.ts'),
};

/** What a folder calls itself: `fixture` of its config.json, else its own name. */
async function fixtureKind(dir: string): Promise<string> {
  const text = await readFile(join(dir, 'config.json'), 'utf8').catch(() => undefined);
  const named = text === undefined ? undefined : (JSON.parse(text) as { fixture?: unknown }).fixture;
  return typeof named === 'string' ? named : basename(dir);
}

async function runFolder(dir: string): Promise<ParityResult[]> {
  const fail = (detail: string): ParityResult[] => [{ name: basename(dir), ok: false, detail }];
  try {
    const kind = await fixtureKind(dir);
    const adapter = Object.hasOwn(ADAPTERS, kind) ? ADAPTERS[kind] : undefined;
    if (adapter === undefined) return fail(`unknown fixture '${kind}'; known: ${Object.keys(ADAPTERS).join(', ')}`);
    const results = await (await adapter()).run(dir);
    return results.length === 0 ? fail('the adapter compared nothing') : results;
  } catch (error) {
    return fail(formatError(error).replaceAll('\n', ';'));
  }
}

async function useEngine(name: string): Promise<void> {
  if (name === 'cpu') {
    await tf.setBackend('cpu');
    registerFusedKernels('cpu', {});
    console.log('engine cpu (the plain backend of TensorFlow.js)');
    return;
  }
  if (name !== 'auto' && name !== 'torch' && name !== 'tensorflow') {
    throw new Error(`--engine must be torch, tensorflow or cpu, found '${name}'`);
  }
  const { backend, device, version } = await openEngine({ backend: name, device: 'auto' });
  console.log(`engine ${backend} ${version} on ${device}`);
}

async function main(): Promise<boolean> {
  const { values, positionals } = parseArgs({
    options: { engine: { type: 'string', default: 'auto' } },
    allowPositionals: true,
  });
  const root = positionals[0] ?? join(import.meta.dirname, 'fixtures');
  const entries = await readdir(root, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map((entry) => join(root, entry.name));
  await useEngine(values.engine);
  let passed = 0;
  let failed = 0;
  for (const folder of folders.sort()) {
    for (const { name, ok, detail } of await runFolder(folder)) {
      if (ok) passed++;
      else failed++;
      console.log(`${ok ? 'ok  ' : 'FAIL'} ${name}: ${detail}`);
    }
  }
  if (folders.length === 0) {
    failed++;
    console.log(`FAIL ${root}: there is no fixture folder`);
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0;
}

try {
  process.exitCode = (await main()) ? 0 : 1;
} catch (error) {
  console.error(formatError(error));
  process.exitCode = 1;
}

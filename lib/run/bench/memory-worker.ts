/** One case of `tristage bench memory` in a process of its own: the peak of its updates, of the tensors and of the whole. */
import { readFileSync, writeFileSync } from 'node:fs';
import { collectGarbage } from '../../core/collect.ts';
import { openEngine } from '../../engine/engine.ts';
import { storedIn } from '../../engine/precision.ts';
import { tf } from '../../engine/tf.ts';
import { createMiniGpt } from '../../model/minigpt.ts';
import { trainableOf } from '../../model/store.ts';
import { createAdamW } from '../../train/adamw.ts';
import { trainStep } from '../../train/step.ts';
import { groupOf, trainableIn } from '../../train/trainable.ts';
import { createPatchModel } from '../../train/vision-model.ts';
import { patchStep } from '../../train/vision-step.ts';
import { batchOf, type MemoryCase, modelOf } from './memory-case.ts';
import { servePeer } from './peer.ts';
import { CASE_KINDS, imagesOf, type TowerCase } from './tower-case.ts';
// What a training process has loaded is part of what it holds.
import '../train.ts';

const ADAMW = { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.05 } as const;

const [backend, threads, text] = process.argv.slice(2) as ['torch' | 'tensorflow', string, string];
const given = JSON.parse(text) as MemoryCase | TowerCase;
const precision = 'tower' in given ? 'float32' : given.precision;
const engine = await openEngine({ backend, device: 'cpu', threads: Number(threads), precision });
const update = 'tower' in given ? towerUpdate(given) : textUpdate(given);

/** The update of a model of texts; its weights are made here. */
function textUpdate(memoryCase: MemoryCase): (step: number) => Promise<unknown> {
  const config = modelOf(memoryCase);
  const trains = trainableIn(['projector', 'lora']);
  const isLarge = (name: string) => groupOf(name) === 'vision' || groupOf(name) === 'llm';
  const model = createMiniGpt({
    config,
    trainable: trains,
    storage: (name, shape) => storedIn({ precision, shape, frozen: isLarge(name) && !trains(name) }),
    seed: 1,
  });
  const trainable = trainableOf(model.store);
  const optimizer = createAdamW(trainable, ADAMW);
  const { lora } = config;
  const dropout = lora === undefined || lora.dropout === 0 ? undefined : { rate: lora.dropout, seed: 1 };
  const options = { dropout, recompute: memoryCase.recompute };
  return async (step) => {
    const microBatches = Array.from({ length: memoryCase.passes }, () => batchOf(memoryCase, config));
    await trainStep({ model, trainable, optimizer, microBatches, step, lr: 1e-4, options });
  };
}

/** The update of a vision tower; its weights are made here. */
function towerUpdate(towerCase: TowerCase): (step: number) => Promise<unknown> {
  const model = createPatchModel({ config: towerCase.tower, kinds: CASE_KINDS, seed: 1, start: 'narrow' });
  const trainable = trainableOf(model.store);
  const optimizer = createAdamW(trainable, ADAMW);
  return async () => {
    const microBatches = Array.from({ length: towerCase.passes }, () => imagesOf(towerCase));
    await patchStep({ model, trainable, optimizer, microBatches, lr: 1e-4, boxWeight: 3 });
  };
}

/** The most bytes that were resident since the start or the last reset. */
function resident(): number {
  return 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
}

/** Forgets the peak of loading; the host's copies of the weights are collected first, as `train` does. */
function resetPeak(): void {
  collectGarbage();
  writeFileSync('/proc/self/clear_refs', '5');
}

async function steps({ count }: { count: number }) {
  resetPeak();
  for (let step = 0; step < count; step++) await update(step);
  const { nativePeakBytes } = tf.backend().memory() as { nativePeakBytes?: number };
  return { residentBytes: resident(), tensorBytes: nativePeakBytes ?? null };
}

await servePeer({ describe: () => engine, steps: (command) => steps(command as never) });

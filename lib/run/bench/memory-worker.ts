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
import { batchOf, type MemoryCase, modelOf } from './memory-case.ts';
import { servePeer } from './peer.ts';
// What a training process has loaded is part of what it holds.
import '../train.ts';

const [backend, threads, text] = process.argv.slice(2) as ['torch' | 'tensorflow', string, string];
const memoryCase = JSON.parse(text) as MemoryCase;
const { precision } = memoryCase;
const engine = await openEngine({ backend, device: 'cpu', threads: Number(threads), precision });
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
const optimizer = createAdamW(trainable, { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.05 });

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
  const { lora } = config;
  const dropout = lora === undefined || lora.dropout === 0 ? undefined : { rate: lora.dropout, seed: 1 };
  resetPeak();
  for (let step = 0; step < count; step++) {
    const microBatches = Array.from({ length: memoryCase.passes }, () => batchOf(memoryCase, config));
    const options = { dropout, recompute: memoryCase.recompute };
    await trainStep({ model, trainable, optimizer, microBatches, step, lr: 1e-4, options });
  }
  const { nativePeakBytes } = tf.backend().memory() as { nativePeakBytes?: number };
  return { residentBytes: resident(), tensorBytes: nativePeakBytes ?? null };
}

await servePeer({ describe: () => engine, steps: (command) => steps(command as never) });

/** Our side of `tristage bench step`: the trainer's own update on the weights and the batch of a file. */
import { readFileSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { openEngine } from '../../engine/engine.ts';
import { openSafetensors, type SafetensorsFile } from '../../formats/safetensors.ts';
import { createMiniGpt } from '../../model/minigpt.ts';
import { trainableOf } from '../../model/store.ts';
import { createAdamW } from '../../train/adamw.ts';
import { trainStep } from '../../train/step.ts';
import { servePeer } from './peer.ts';
import type { StepCase } from './step-case.ts';

const [backend, threads, casePath, weightsPath] = process.argv.slice(2) as [string, string, string, string];
const stepCase = JSON.parse(readFileSync(casePath, 'utf8')) as StepCase;
const engine = await openEngine({
  backend: backend as 'torch' | 'tensorflow',
  device: 'cpu',
  threads: Number(threads),
});

/** Tensors of the file one by one, so that the file never lies in memory as a whole. */
function reader(file: SafetensorsFile, fd: number) {
  return (name: string): Uint8Array => {
    const { position, byteLength } = file.tensors.get(name)!;
    const bytes = new Uint8Array(byteLength);
    for (let at = 0; at < byteLength; ) at += readSync(fd, bytes, at, byteLength - at, position + at);
    return bytes;
  };
}

const file = await openSafetensors(weightsPath);
const handle = await open(weightsPath);
const read = reader(file, handle.fd);
const model = createMiniGpt({
  config: stepCase.model,
  source: (name) => ({ shape: file.tensors.get(name)!.shape, values: new Float32Array(read(name).buffer) }),
  trainable: (name) => name.includes('.lora_') || name.startsWith('llama_proj.'),
  seed: 0,
});
const batch = {
  tokenIds: new Int32Array(read('batch.tokens').buffer),
  labels: new Int32Array(read('batch.labels').buffer),
  attentionMask: new Uint8Array(stepCase.batch * stepCase.tokens).fill(1),
  shape: [stepCase.batch, stepCase.tokens] as const,
  pixels: new Float32Array(read('batch.pixels').buffer),
};
await handle.close();
await file.close();

const trainable = trainableOf(model.store);
const optimizer = createAdamW(trainable, { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.05 });
let updates = 0;

async function steps({ count }: { count: number }): Promise<{ seconds: number[]; losses: number[] }> {
  const seconds: number[] = [];
  const losses: number[] = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    const { loss } = await trainStep({
      model,
      trainable,
      optimizer,
      microBatches: [batch],
      step: updates++,
      lr: stepCase.lr,
      options: { supervisedOnly: false },
    });
    seconds.push((performance.now() - start) / 1000);
    losses.push(loss);
  }
  return { seconds, losses };
}

await servePeer({
  steps: (command) => steps(command as never),
  describe: () => engine,
  // ru_maxrss is in KiB on Linux, as the other side reports it.
  peak: () => ({ bytes: process.resourceUsage().maxRSS * 1024 }),
});

/** Our side of `tristage bench step`: the trainer's own update on the weights and the samples of a file. */
import { readFileSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { openEngine } from '../../engine/engine.ts';
import { openSafetensors, type SafetensorsFile } from '../../formats/safetensors.ts';
import { createMiniGpt } from '../../model/minigpt.ts';
import { seeEach } from '../../model/see-each.ts';
import { trainableOf } from '../../model/store.ts';
import { createAdamW } from '../../train/adamw.ts';
import { type StepBatch, trainStep } from '../../train/step.ts';
import { matmulSpeed } from './matmul-speed.ts';
import { servePeer } from './peer.ts';
import { type CaseTensors, ourBatch, workOf } from './step/batch.ts';
import type { StepCase, StepMode } from './step/case.ts';

const [backend, casePath, weightsPath, mode] = process.argv.slice(2) as [string, string, string, StepMode];
const stepCase = JSON.parse(readFileSync(casePath, 'utf8')) as StepCase;
const engine = await openEngine({
  backend: backend as 'torch' | 'tensorflow',
  device: 'cpu',
  threads: stepCase.threads,
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
const tensors: CaseTensors = {
  tokens: new Int32Array(read('batch.tokens').buffer),
  labels: new Int32Array(read('batch.labels').buffer),
  bytes: read('batch.bytes'),
};
await handle.close();
await file.close();

const { batch, order } = mode === 'b-cached' ? await cachedBatch() : ourBatch(stepCase, tensors, mode);

/** What the tower made of each image takes the place of its pixels, as a warm cache gives it to the loader ahead of the step. */
async function cachedBatch() {
  const own = ourBatch(stepCase, tensors, 'b');
  const seen = { tokens: await seeEach(model, tensors.bytes), order: own.images };
  return { ...own, batch: { ...own.batch, pixels: new Uint8Array(0), seen } };
}
const trainable = trainableOf(model.store);
const optimizer = createAdamW(trainable, { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.05 });
let updates = 0;

/** Updates, and what came of them; `rows` are the mean losses of the samples in the order of the case, at the last update. */
async function steps({ count }: { count: number }) {
  const seconds: number[] = [];
  const losses: number[] = [];
  const before = process.cpuUsage();
  let rows: number[] = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    const result = await trainStep({
      model,
      trainable,
      optimizer,
      microBatches: [batch as StepBatch],
      step: updates++,
      lr: stepCase.lr,
      options: { supervisedOnly: mode !== 'a' },
    });
    seconds.push((performance.now() - start) / 1000);
    losses.push(result.loss);
    rows = [];
    for (const [place, { loss, tokens }] of result.rows.entries()) rows[order[place]!] = loss / tokens;
  }
  const { user, system } = process.cpuUsage(before);
  return { seconds, cpu: (user + system) / 1e6 / count, losses, rows };
}

await servePeer({
  steps: (command) => steps(command as never),
  describe: () => engine,
  work: () => workOf(batch, mode),
  matmul: () => matmulSpeed(),
  // ru_maxrss is in KiB on Linux, as the other side reports it.
  peak: () => ({ bytes: process.resourceUsage().maxRSS * 1024 }),
});

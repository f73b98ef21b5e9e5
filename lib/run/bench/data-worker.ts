/** Our side of `tristage bench data`: the loader of a run over the indexed tars, and what the device does with its pixels. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { loadImage } from '../../data/image.ts';
import { imageThreads } from '../../data/image-threads.ts';
import { createLoader, type Loader } from '../../data/loader.ts';
import { createNormalizer } from '../../data/normalize-vector.ts';
import type { OpenSource } from '../../data/source.ts';
import { llama2Tokenizer } from '../../data/tokenizer.ts';
import type { Registry } from '../config.ts';
import { openSourceLine } from '../open-source.ts';
import type { DataCase, Look, Pass } from './data/case.ts';
import { servePeer } from './peer.ts';

/** Batches that are made at the same time, as a run's loader does. */
const AHEAD = 3;

const [casePath, registryUrl] = process.argv.slice(2) as [string, string];
const dataCase = JSON.parse(readFileSync(casePath, 'utf8')) as DataCase;
const { registry } = (await import(registryUrl)) as { registry: Registry };
const source = await openSourceLine(
  { source: 'webdataset', root: dataCase.folder, task: 'caption' },
  { registry, cache: dataCase.cache, info: () => undefined },
);
const tokenizer = await llama2Tokenizer();
const loader = openCaseLoader(source);
let nextStep = 0;

function openCaseLoader(opened: OpenSource): Loader {
  const { size, transform, threads, batch, imageTokens, maxTokens } = dataCase;
  return createLoader({
    lines: [{ source: opened, rate: 1 }],
    seed: 1,
    globalBatch: batch,
    encode: { tokenizer, imageTokens },
    images: { size, transform, threads },
    packing: { maxTokens },
    // Nothing is made ahead of what is counted: the other side is at work between two passes.
    prefetch: 0,
  });
}

/** The float input of the vision tower, as the device makes it of a batch; every batch uses the same memory. */
const normalize = createNormalizer(dataCase);

/** Takes so many images through the whole pipeline; passes follow each other through the epochs. */
async function pass({ images }: { images: number }): Promise<Pass> {
  const steps = Math.floor(images / dataCase.batch);
  const first = nextStep;
  nextStep += steps;
  const before = process.cpuUsage();
  const start = performance.now();
  const ahead: ReturnType<Loader['batch']>[] = [];
  let tokens = 0;
  for (let step = 0; step < steps; step++) {
    while (ahead.length < Math.min(AHEAD, steps - step)) ahead.push(loader.batch(first + step + ahead.length));
    const batch = await (ahead.shift() as (typeof ahead)[number]);
    normalize(batch.pixels, batch.pixelShape[0]);
    loader.recycle(batch);
    tokens += batch.attentionMask.reduce((sum, seen) => sum + seen, 0);
  }
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  return { images: steps * dataCase.batch, seconds, cpu: (user + system) / 1e6, tokens };
}

/** Pixels and tokens of the first photos of each tar's beginning. */
async function look({ count }: { count: number }): Promise<Look> {
  const found: Record<string, Look[string]> = {};
  for (let index = 0; index < Math.min(count, source.length); index++) {
    const { id, image, turns } = await source.get(index, () => 0);
    const pixels = await loadImage(image!, { size: dataCase.size, transform: dataCase.transform });
    found[id.split('/').at(-1) as string] = {
      pixels: createHash('sha256').update(pixels).digest('hex'),
      tokens: tokenizer.encode(turns[0]!.answer),
    };
  }
  return found;
}

await servePeer({
  pass: (command) => pass(command as never),
  look: (command) => look(command as never),
  describe: () => ({ node: process.versions.node, sharp: imageThreads().sharp, images: source.length }),
});
await loader.close();

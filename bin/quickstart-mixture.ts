/** The stages of the quickstart with weak data sets of their own, for measuring without having run it. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeWeakShards } from '../datasets/emoji-scenes/weak.ts';
import { packageRoot } from '../lib/core/paths.ts';
import type { FillRequest } from '../lib/run/bench/fill-case.ts';
import { registry } from './registry.ts';

/** Enough scenes that lengths are those of the quickstart. */
const WEAK = { shards: 1, samplesPerShard: 300, seed: 3 };

/** Calls a function with the three stages; their weak data are there as long as it runs. */
export async function withQuickstartMixture<Result>(use: (request: FillRequest) => Promise<Result>): Promise<Result> {
  const dir = await mkdtemp(join(tmpdir(), 'tristage-mixture-'));
  try {
    const { laion, grit } = await writeWeakShards({ dir, ...WEAK });
    const files = ['stage1', 'stage2', 'stage3'].map((name) => join(packageRoot(), `configs/quickstart/${name}.yaml`));
    const cache = `data.cache=${join(dir, 'index')}`;
    const weak = [`data.mixture.sources.0.root=${laion}`, `data.mixture.sources.1.root=${grit}`];
    return await use({ files, settings: [[...weak, cache], [cache], [cache]], registry });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

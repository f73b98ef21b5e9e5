/** run.json: on what, with what and by which version a run was trained. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunConfig } from '../config/schema.ts';
import { packageRoot } from '../core/paths.ts';
import type { EngineInfo } from '../engine/engine.ts';
import type { RunPlan } from '../train/plan.ts';
import type { ExternalFile } from './weights.ts';

/** The version of this package. */
export function packageVersion(): string {
  const manifest = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string };
  return manifest.version;
}

/** The micro-batch of a run, as run.json records it. */
export interface MicroBatch {
  /** Examples of a pass. */
  examples: number;
  /** Who said so. `memory`: a step did not fit, so that it was halved. */
  by: 'config' | 'auto' | 'memory';
  why: string;
}

export interface FactsRequest {
  config: RunConfig;
  engine: EngineInfo;
  plan: RunPlan;
  external: readonly ExternalFile[];
  microBatch: MicroBatch;
}

/** The content of run.json. */
export function runFacts({ config, engine, plan, external, microBatch }: FactsRequest) {
  return {
    format: 1,
    name: config.name,
    stage: config.stage,
    tristage: packageVersion(),
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    opened: new Date().toISOString(),
    engine,
    plan,
    microBatch,
    weights: external,
  };
}

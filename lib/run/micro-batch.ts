/** How many examples pass through the model at once: as the file says, as an earlier part of the run did, or the most that fit. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fixedMicroBatch } from '../config/micro-batch.ts';
import type { RunConfig } from '../config/schema.ts';
import type { Logger } from '../core/log.ts';
import type { EngineInfo } from '../engine/engine.ts';
import { limitTensors, tensorBytes } from '../engine/out-of-memory.ts';
import type { Registry } from './config.ts';
import { encodeOptionsOf, type OpenData, orderOf } from './data.ts';
import type { MicroBatch } from './facts.ts';
import type { SmallerPasses } from './fitting.ts';
import { modelConfigOf } from './model-config.ts';
import { measureSteps } from './planning/measure.ts';
import { type CommonMemory, planMemory } from './planning/memory.ts';
import { largestThatFits } from './planning/micro-batch.ts';
import { planTowerMemory } from './planning/tower-memory.ts';
import type { Recorder } from './recorder.ts';
import { RUN_FILES, writeRunJson } from './run-folder.ts';

interface ChoiceRequest {
  config: RunConfig;
  engine: EngineInfo;
  /** Of the run; where an earlier part recorded its choice for the same setting, that stays. */
  folder: string;
  logger: Logger;
}

/** Bytes that a run takes, by its micro-batch; of the settings with the engine that is open in place of the one that was asked for. */
type EstimateOf = (opened: RunConfig) => Promise<(microBatch?: number) => CommonMemory>;

/** Decides the micro-batch of a run that trains on texts. */
export async function chooseMicroBatch(
  request: ChoiceRequest & { data: OpenData; registry: Registry },
): Promise<MicroBatch> {
  const { data, registry } = request;
  return await choose(request, async (config) => {
    const encode = encodeOptionsOf({ config, model: modelConfigOf(config), data });
    const { steps } = await measureSteps({ config, data, stream: orderOf(config, data), encode });
    return (microBatch) => planMemory({ config, registry, steps, microBatch });
  });
}

/** Decides the micro-batch of a run that trains the vision tower alone. */
export async function chooseTowerMicroBatch(request: ChoiceRequest & { kinds: number }): Promise<MicroBatch> {
  const { kinds } = request;
  return await choose(request, async (config) => (microBatch) => planTowerMemory({ config, kinds, microBatch }));
}

async function choose(request: ChoiceRequest, estimateOf: EstimateOf): Promise<MicroBatch> {
  const { config, engine, folder, logger } = request;
  const { globalBatch, microBatch } = config.train;
  const recorded = recordedMicroBatch(folder);
  if (recorded !== undefined && (microBatch === 'auto' || recorded.by === 'memory')) {
    logger.info(`micro-batch: ${recorded.examples}, as the run has had it (${recorded.why})`);
    return recorded;
  }
  if (microBatch !== 'auto') {
    const why = microBatch === undefined ? 'the whole global batch' : 'train.microBatch';
    return { examples: fixedMicroBatch(config.train) ?? globalBatch, by: 'config', why };
  }
  const opened = { ...config, engine: { ...config.engine, backend: engine.backend, device: engine.device } };
  const { examples, why, warning } = await largestThatFits(opened, await estimateOf(opened));
  if (warning !== undefined) logger.warn(warning);
  logger.info(`micro-batch: ${examples} of ${globalBatch} (${why})`);
  return { examples, by: 'auto', why };
}

/** Keeps what runs on the CPU within `engine.memory`, so that a step that would take more fails and can be cut, not the process. */
export async function limitMemory({ engine: { memory } }: RunConfig, { device }: EngineInfo): Promise<void> {
  if (memory === undefined || device !== 'cpu') return;
  // What is resident now, less its tensors, stays beside them.
  const beside = process.memoryUsage.rss() - tensorBytes();
  await limitTensors(Math.max(1, Math.floor(memory * 1e9 - beside)));
}

/** Takes the limit away when the run is over. */
export async function unlimitMemory({ engine: { memory } }: RunConfig): Promise<void> {
  if (memory !== undefined) await limitTensors(0);
}

/** Says, in the events and in run.json, that passes get smaller: a run that goes on begins with the smaller ones. */
export function smallerPasses(of: {
  folder: string;
  facts: { microBatch: MicroBatch };
  recorder: Pick<Recorder, 'write'>;
  logger: Logger;
}): (change: SmallerPasses) => Promise<void> {
  const { folder, facts, recorder, logger } = of;
  return async ({ index, from, to, why }) => {
    const step = index + 1;
    logger.warn(
      `step ${step} does not fit the memory (${why}): again from its start with a micro-batch of ${to}, it was ${from}`,
    );
    recorder.write({ event: 'micro-batch', step, from, to, why });
    facts.microBatch = { examples: to, by: 'memory', why: `${from} did not fit at step ${step}` };
    await writeRunJson(folder, RUN_FILES.run, facts);
  };
}

/** What run.json says; undefined where there is none yet, or one of an earlier version. */
function recordedMicroBatch(folder: string): MicroBatch | undefined {
  const path = join(folder, RUN_FILES.run);
  if (!existsSync(path)) return undefined;
  return (JSON.parse(readFileSync(path, 'utf8')) as { microBatch?: MicroBatch }).microBatch;
}

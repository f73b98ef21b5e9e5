/** `tristage replay`: puts a dumped batch through the model once more and says where it is not finite. */

import { dirname, join, resolve } from 'node:path';
import { openCheckpoint } from '../checkpoint/store.ts';
import type { RunConfig } from '../config/schema.ts';
import type { Logger } from '../core/log.ts';
import { openEngine } from '../engine/engine.ts';
import { tf } from '../engine/tf.ts';
import { disposeMiniGpt, type MiniGpt } from '../model/minigpt.ts';
import { trainableOf } from '../model/store.ts';
import { lossByRow } from '../model/supervised.ts';
import { backward, disposeGradients, lossTotal } from '../train/backward.ts';
import { trainableIn } from '../train/trainable.ts';
import { announceEngine } from './announce-engine.ts';
import { type Registry, stageOf } from './config.ts';
import { type DumpedPart, type DumpFacts, readDump } from './dump.ts';
import { modelConfigOf } from './model-config.ts';
import { readRun } from './open-run.ts';
import { openParent } from './parent.ts';
import { RUN_FILES } from './run-folder.ts';
import { storageOf } from './storage.ts';
import { assembleModel } from './weights.ts';

/** A sample of the batch, put through the model again. */
export interface ReplayedRow {
  id: string;
  task: string;
  /** Supervised tokens. */
  tokens: number;
  /** Mean over them, in nats. */
  loss: number;
}

export interface Replay {
  facts: Omit<DumpFacts, 'parts'>;
  rows: ReplayedRow[];
  /** Weights whose gradient is not finite, and how many of its values. */
  gradients: { name: string; bad: number; values: number }[];
  /** Weights that are not finite themselves. */
  weights: { name: string; bad: number; values: number }[];
}

/**
 * Loads the checkpoint that a dump names and puts its batch through forward and backward.
 * @param path RUN/dumps/step-N
 * @throws TristageError E_DUMP, E_NO_CHECKPOINT, E_CHECKPOINT_DAMAGED and those of reading a run file
 */
export async function replayDump(
  path: string,
  { registry, logger }: { registry: Registry; logger: Logger },
): Promise<Replay> {
  const { facts, parts } = await readDump(path);
  const { parts: _, ...rest } = facts;
  const folder = dirname(dirname(resolve(path)));
  const { config, registry: own } = await readRun(folder, { registry });
  const { backend, device, threads, precision } = config.engine;
  const engine = await openEngine({ backend, device, threads, precision });
  announceEngine(logger, engine);
  const from = facts.checkpoint === null ? undefined : join(folder, RUN_FILES.checkpoints, `step-${facts.checkpoint}`);
  const init =
    from === undefined && config.init !== undefined
      ? (await openParent(config.init.from, { registry: own })).weights
      : undefined;
  const { model } = await assembleModel({
    config: modelConfigOf(config),
    weights: config.model.weights,
    checkpoint: from === undefined ? undefined : (await openCheckpoint(from)).modelFile,
    init,
    trainable: trainableIn(config.train.trainable ?? stageOf(config, own).trains),
    storage: storageOf(config, own),
    seed: config.train.seed,
  });
  try {
    const weights = await notFiniteIn(model.store);
    const passed = await pass(model, { facts, parts, train: config.train });
    return { facts: rest, ...passed, weights };
  } finally {
    disposeMiniGpt(model);
  }
}

async function pass(
  model: MiniGpt,
  { facts, parts, train }: { facts: DumpFacts; parts: readonly DumpedPart[]; train: RunConfig['train'] },
): Promise<Pick<Replay, 'rows' | 'gradients'>> {
  const { weighting } = train.loss;
  const total = parts.reduce((sum, part) => sum + lossTotal(part, weighting), 0);
  const rate = model.config.lora?.dropout ?? 0;
  const rows: ReplayedRow[] = [];
  const bad = new Map<string, Replay['gradients'][number]>();
  let before = 0;
  for (const batch of parts) {
    const places = Array.from({ length: batch.shape[0] }, (_, b) => before + b);
    before += places.length;
    const dropout = rate > 0 ? { rate, seed: train.seed, step: facts.step - 1, rows: places } : undefined;
    const passed = await backward({
      model,
      trainable: trainableOf(model.store),
      batch,
      total,
      weighting,
      forward: { dropout, recompute: train.recompute },
    });
    for (const found of await notFiniteIn(passed.gradients)) {
      bad.set(found.name, { ...found, bad: found.bad + (bad.get(found.name)?.bad ?? 0) });
    }
    disposeGradients(passed.gradients);
    rows.push(...rowsOf(batch, passed));
  }
  return { rows, gradients: [...bad.values()] };
}

function rowsOf(batch: DumpedPart, passed: { losses: Float32Array; places: Int32Array }): ReplayedRow[] {
  const { owners, examples, shape } = batch;
  const packed = owners === undefined ? undefined : { owners, examples: examples.length };
  return lossByRow({ ...passed, shape, packed }).map(({ loss, tokens }, place) => ({
    id: examples[place]?.id ?? '',
    task: examples[place]?.task ?? '',
    tokens,
    loss: tokens === 0 ? 0 : loss / tokens,
  }));
}

async function notFiniteIn(tensors: ReadonlyMap<string, tf.Tensor | null>): Promise<Replay['gradients']> {
  const found: Replay['gradients'] = [];
  for (const [name, tensor] of tensors) {
    if (tensor === null) continue;
    // The sum of absolute values is finite only if every value is; it may overflow, so the values decide.
    const sum = tf.tidy(() => tf.sum(tf.abs(tensor)));
    const finite = Number.isFinite((await sum.data())[0]);
    sum.dispose();
    if (finite) continue;
    const bad = (await tensor.data<'float32'>()).reduce((count, value) => count + (Number.isFinite(value) ? 0 : 1), 0);
    if (bad > 0) found.push({ name, bad, values: tensor.size });
  }
  return found;
}

/** A replay as text for people. */
export function replayText({ facts, rows, gradients, weights }: Replay): string {
  const { step, fault, checkpoint, updatesSince } = facts;
  const named = (list: Replay['gradients']) =>
    list.length === 0 ? ['  none'] : list.map(({ name, bad, values }) => `  ${name}: ${bad} of ${values} values`);
  const older = `; ${updatesSince} updates lie between: on a CPU, training on from there meets the same step again`;
  return [
    `step ${step}: the ${fault} was not finite`,
    `weights: ${checkpoint === null ? 'those that the run began with' : `checkpoints/step-${checkpoint}`}${updatesSince > 0 ? older : ''}`,
    ...rows.map(({ id, task, tokens, loss }) => `  loss ${loss.toFixed(4)}  tokens ${tokens}  ${task}  ${id}`),
    'weights that are not finite:',
    ...named(weights),
    'gradients that are not finite:',
    ...named(gradients),
  ].join('\n');
}

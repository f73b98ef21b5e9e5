/** The files under `model.weights` against the model of a run, by their headers alone: nothing is computed, no tensor is read. */

import { existsSync } from 'node:fs';
import type { RunConfig } from '../config/schema.ts';
import type { TristageError } from '../core/errors.ts';
import { modelShapes } from '../model/shapes.ts';
import { trainableIn } from '../train/trainable.ts';
import { type ResolvedRun, stageOf } from './config.ts';
import { raiseFaults } from './data-faults.ts';
import { modelConfigOf, type WeightsPart, weightsParts } from './model-config.ts';
import { faultsOfPart } from './published.ts';
import type { StartWeights } from './weights.ts';

/** A file of weights that a run names. */
export interface NamedWeights {
  key: WeightsPart['key'];
  path: string;
  there: boolean;
}

export interface WeightsCheck {
  files: NamedWeights[];
  /** Of the files that are there. */
  faults: TristageError[];
}

type CheckedRun = Pick<ResolvedRun, 'config' | 'registry'>;

/** What a run starts from or goes on with. */
export interface OwnWeights {
  weights: StartWeights;
  /** Kept pieces of the tokenizer; undefined where the vocabulary is whole. */
  pieces: readonly number[] | undefined;
}

/**
 * Checks the files of weights of a run. One that does not exist is no fault here: it may be fetched later.
 * @param own what the run starts from or goes on with, where that is there
 */
export async function checkWeights({ config, registry }: CheckedRun, own?: OwnWeights): Promise<WeightsCheck> {
  const files = namedWeights(config);
  const faults: TristageError[] = [];
  for (const part of await wantedParts({ config, registry }, own)) {
    if (existsSync(part.path)) faults.push(...(await faultsOfPart(modelConfigOf(config), part)));
  }
  return { files, faults };
}

/**
 * Refuses a run whose files of weights are not there or do not fit, before anything is opened or computed.
 * @param own what the run starts from or goes on with
 * @throws TristageError the fault itself when it is alone, else E_WEIGHTS, whose cause is an AggregateError of all of them
 */
export async function refuseWeights(run: CheckedRun, own?: OwnWeights): Promise<void> {
  const faults: TristageError[] = [];
  for (const part of await wantedParts(run, own)) faults.push(...(await faultsOfPart(modelConfigOf(run.config), part)));
  raiseFaults(faults);
}

/**
 * Checks the files of weights of several runs, as far as run files alone allow: nothing is opened that a run starts from.
 * @returns the files of each run
 * @throws TristageError the fault itself when it is alone, else E_WEIGHTS
 */
export async function checkRunWeights(runs: readonly CheckedRun[]): Promise<NamedWeights[][]> {
  const checks: WeightsCheck[] = [];
  for (const run of runs) checks.push(await checkWeights(run));
  raiseFaults(checks.flatMap(({ faults }) => faults));
  return checks.map(({ files }) => files);
}

/** The files that a run names. */
function namedWeights({ model: { weights } }: RunConfig): NamedWeights[] {
  const keys = ['vision', 'llm', 'projector'] as const;
  return keys.flatMap((key) => {
    const path = weights[key];
    return path === undefined ? [] : [{ key, path, there: existsSync(path) }];
  });
}

/** The parts that files are read for, each with the names that nothing else holds. */
async function wantedParts({ config, registry }: CheckedRun, own: OwnWeights | undefined) {
  const stage = stageOf(config, registry);
  const model = modelConfigOf(config);
  const held = await heldNames({ config, registry }, own);
  return weightsParts(model).flatMap(({ key, shapes, optional }) => {
    const path = config.model.weights[key];
    const expected = new Map([...shapes].filter(([name]) => !held(name)));
    const isRead = stage.objective !== 'patches' || key === 'vision';
    return path === undefined || !isRead || expected.size === 0 ? [] : [{ key, path, expected, optional }];
  });
}

/** What a parent holds that is not there yet is not known: at least what trains. */
async function heldNames({ config, registry }: CheckedRun, own: OwnWeights | undefined) {
  if (own === undefined) {
    const trains = trainableIn(config.train.trainable ?? stageOf(config, registry).trains);
    return config.init === undefined ? () => false : trains;
  }
  const { llm, ...model } = modelConfigOf(config);
  const vocabulary = own.pieces?.length ?? llm.vocabulary;
  const opened = await own.weights.open(modelShapes({ ...model, llm: { ...llm, vocabulary } }));
  try {
    const names = new Set(opened.names);
    return (name: string) => names.has(name);
  } finally {
    await opened.close();
  }
}

/** `tristage verify CHECKPOINT`: every file of a checkpoint against its manifest, then what its files say of each other. */

import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { CHECKPOINT_FILES, openCheckpoint } from '../checkpoint/store.ts';
import { readOptimizer } from '../checkpoint/tensors.ts';
import type { TristageError } from '../core/errors.ts';
import { fileError } from '../formats/file-bytes.ts';
import { parseState } from '../train/state.ts';
import type { VerifiedCheckpoint } from './verified.ts';
import { verifyWeights } from './verify-weights.ts';

/** Whether a folder is meant as a checkpoint, be it damaged: weights have no state and no optimizer beside them. */
export function isCheckpoint(path: string): boolean {
  return [CHECKPOINT_FILES.state, CHECKPOINT_FILES.optimizer].some((name) => existsSync(join(path, name)));
}

/**
 * Proves a checkpoint: sizes and hashes of all files, the step in its name, its state, moments for weights that it holds, finite values.
 * @throws TristageError E_CHECKPOINT_DAMAGED naming the file, E_STATE, E_OPTIMIZER_STATE
 */
export async function verifyCheckpoint(path: string): Promise<VerifiedCheckpoint> {
  const { step, state, modelFile, optimizerFile } = await openCheckpoint(path);
  const stateFile = join(path, CHECKPOINT_FILES.state);
  const { step: stated } = parseState(state, stateFile);
  if (stated !== step) throw contradiction(stateFile, `step ${stated}`, `step ${step}, as the manifest says`);
  const named = /^step-(\d+)$/.exec(basename(resolve(path)))?.[1];
  if (named !== undefined && Number(named) !== step)
    throw contradiction(join(path, CHECKPOINT_FILES.manifest), `step ${step}`, `step ${named}, as its folder says`);
  const { tensors, notFinite } = await verifyWeights(modelFile);
  const shapes = new Map(tensors.map(({ name, shape }) => [name, shape]));
  const moments = await readOptimizer(optimizerFile);
  for (const [name, { expAvg }] of moments) {
    const size = shapes.get(name)?.reduce((product, side) => product * side, 1);
    if (size !== expAvg.length)
      throw contradiction(
        optimizerFile,
        `moments of ${expAvg.length} values for ${name}`,
        size === undefined ? 'moments of weights that the checkpoint holds' : `${size} values, as the weight has`,
      );
  }
  const known: readonly string[] = Object.values(CHECKPOINT_FILES);
  const strangers = (await readdir(path)).filter((name) => !known.includes(name)).sort();
  return { kind: 'checkpoint', path, step, tensors, trained: moments.size, notFinite, strangers };
}

function contradiction(where: string, found: string, expected: string): TristageError {
  return fileError(where, {
    code: 'E_CHECKPOINT_DAMAGED',
    message: 'the files of the checkpoint contradict each other',
    found,
    expected,
    fix: 'use another checkpoint of the run',
  });
}

/** @returns the proof for people */
export function renderCheckpoint({ path, step, tensors, trained, notFinite, strangers }: VerifiedCheckpoint): string {
  const bad = tensors.filter((tensor) => tensor.notFinite > 0).map(({ name }) => `${name}: values that are not finite`);
  return [
    `${path}: step ${step}, sizes and hashes as the manifest says`,
    `${tensors.length} tensors, of which ${trained} train`,
    ...strangers.map((name) => `not part of it: ${name}`),
    ...bad,
    notFinite === 0 ? 'every value is finite' : `${notFinite} tensors hold values that are not finite`,
  ].join('\n');
}

/** What a checkpoint knows of the run beside its tensors: enough to go on as if it had never stopped. */

import { TristageError } from '../core/errors.ts';

/** A run that another one started from. */
export interface Ancestor {
  /** Name of the run. */
  name: string;
  stage: string;
  step: number;
  /** SHA-256 of the checkpoint's model.safetensors. */
  model: string;
  /** Names of the sources of its mixture. */
  sources: readonly string[];
}

/** Written as state.json. Randomness needs no state: every number is a function of (seed, step, place). */
export interface TrainState {
  format: 1;
  /** Updates done. */
  step: number;
  /** Samples drawn from the mixture so far; the next step starts here. */
  samples: number;
  seed: number;
  /** SHA-256 of the settings that decide what the next step computes (see `identityOf`). */
  identity: string;
  /** Fingerprint of the data: the same positions of other data are other samples. */
  data: string;
  /** Kept pieces of the tokenizer, where the vocabulary is pruned: token n of the model is the n-th of them. */
  vocabulary?: readonly number[] | undefined;
  /** Hash of the tokenizer's files; absent for LLaMA's own. */
  tokenizer?: string | undefined;
  /** The runs behind this one, the nearest first; absent where it began anew. */
  lineage?: readonly Ancestor[] | undefined;
}

/** Where in a run's schedule a state stands. */
export interface StateRequest extends Omit<TrainState, 'format' | 'samples'> {
  globalBatch: number;
}

/** The state after `step` updates. */
export function trainState(request: StateRequest): TrainState {
  const { step, globalBatch, seed, identity, data, vocabulary, tokenizer, lineage = [] } = request;
  const state = { format: 1 as const, step, samples: step * globalBatch, seed, identity, data };
  return {
    ...state,
    ...(vocabulary === undefined ? {} : { vocabulary }),
    ...(tokenizer === undefined ? {} : { tokenizer }),
    ...(lineage.length === 0 ? {} : { lineage }),
  };
}

/**
 * Reads a state.json.
 * @throws TristageError E_STATE naming the field that is missing or of the wrong type
 */
export function parseState(value: unknown, where: string): TrainState {
  const fields = {
    format: 'number',
    step: 'number',
    samples: 'number',
    seed: 'number',
    identity: 'string',
    data: 'string',
  };
  const state = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  for (const [name, type] of Object.entries(fields)) {
    const found = state[name];
    const good = typeof found === type && (type !== 'number' || (Number.isSafeInteger(found) && Number(found) >= 0));
    if (!good || (name === 'format' && found !== 1))
      throw stateError(`${where}: ${name}`, found, name === 'format' ? '1' : `a ${type}`);
  }
  const { vocabulary = [], tokenizer = '', lineage = [] } = state;
  if (typeof tokenizer !== 'string') throw stateError(`${where}: tokenizer`, tokenizer, 'a hash');
  if (!(Array.isArray(lineage) && lineage.every(isAncestor)))
    throw stateError(`${where}: lineage`, lineage, 'a list of runs with name, stage, step, model and sources');
  if (!(Array.isArray(vocabulary) && vocabulary.every((id) => Number.isSafeInteger(id) && id >= 0)))
    throw stateError(`${where}: vocabulary`, vocabulary, 'a list of token ids');
  return value as TrainState;
}

function isAncestor(value: unknown): value is Ancestor {
  const { name, stage, step, model, sources } = (value ?? {}) as Record<string, unknown>;
  const texts = [name, stage, model].every((text) => typeof text === 'string');
  return texts && Number.isSafeInteger(step) && Array.isArray(sources);
}

function stateError(where: string, found: unknown, expected: string): TristageError {
  return new TristageError({
    kind: 'checkpoint',
    code: 'E_STATE',
    message: 'the state of the checkpoint cannot be used',
    where,
    found: JSON.stringify(found) ?? 'nothing',
    expected,
  });
}

/** What a run that goes on must share with the run that was stopped. */
export interface ResumeCheck {
  state: TrainState;
  /** Expected values of the run at hand. */
  identity: string;
  data: string;
  steps: number;
  where: string;
}

/**
 * Refuses to go on where going on would silently be another run.
 * @throws TristageError E_RESUME_CONFIG for other settings, E_RESUME_DATA for other data, E_RESUME_STEPS for a run that is shorter
 *   than what was done
 */
export function checkResume({ state, identity, data, steps, where }: ResumeCheck): void {
  const refuse = (code: string, message: string, expected: string, found: string) =>
    new TristageError({
      kind: 'checkpoint',
      code,
      message,
      where,
      found,
      expected,
      fix: 'resume with the configuration and data of the run, or start another run in another folder',
    });
  if (state.identity !== identity) {
    throw refuse(
      'E_RESUME_CONFIG',
      'the configuration differs from the one that this run was started with',
      'the same model, data, stage and train settings (train.steps and train.checkpoint may change)',
      'other settings',
    );
  }
  if (state.data !== data) {
    throw refuse('E_RESUME_DATA', 'the data differs from the data that this run was started with', state.data, data);
  }
  if (state.step > steps)
    throw refuse('E_RESUME_STEPS', 'the run has done more steps than it should', `at most ${steps}`, `${state.step}`);
}

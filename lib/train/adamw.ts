/**
 * AdamW over named parameters (Loshchilov and Hutter, arXiv 1711.05101; order of operations: torch.optim.AdamW). Moments and step
 * counts are kept by parameter path, so a checkpoint does not depend on the order in which parameters were created.
 */

import { TristageError } from '../core/errors.ts';
import { type AdamWUpdateArgs, adamwUpdates } from '../engine/ops/index.ts';
import { tf, type Variable } from '../engine/tf.ts';
import type { NamedGradients } from './clip.ts';

/**
 * Which parameters decay. `matrices`: those of two or more dimensions. `reference-substring`, for parity with the original: these,
 * unless their path contains `bias`, `ln` or `bn` anywhere.
 */
export type DecayRule = 'matrices' | 'reference-substring';

export interface AdamWOptions {
  betas: readonly [number, number];
  /** Added to the root of the second moment. */
  eps: number;
  /** Decoupled decay, times the learning rate. */
  weightDecay: number;
  /** Default `matrices`. */
  decayRule?: DecayRule;
  /**
   * Compatibility with torch 1.13: a parameter that had a gradient once and has none now is updated as if it were zero, so that
   * momentum and decay still move it. Default false: parameter, moments and step count stay untouched.
   */
  zeroMissingGradients?: boolean;
}

/** What the optimizer knows of one parameter. */
export interface Moments {
  /** Updates of this parameter so far. */
  step: number;
  /** Shape of the parameter. */
  expAvg: Variable;
  expAvgSq: Variable;
}

/** Moments on the host, row-major, as a checkpoint holds them. */
export interface HostMoments {
  step: number;
  expAvg: Float32Array;
  expAvgSq: Float32Array;
}

export interface AdamW {
  /**
   * One update of every parameter. The gradients stay the caller's.
   * @param request `gradients` has an entry for each parameter, null for none; each counts `gradScale` times (default 1)
   * @throws TristageError E_OPTIMIZER_STATE when the names are not those of the parameters
   */
  update(request: { gradients: NamedGradients; lr: number; gradScale?: number | undefined }): void;
  /** Moments by parameter path; owned by the optimizer, valid until the next update. */
  readonly state: ReadonlyMap<string, Readonly<Moments>>;
  /**
   * Replaces all moments and step counts.
   * @throws TristageError E_OPTIMIZER_STATE when names, sizes or counts do not fit; nothing is changed then
   */
  restore(saved: ReadonlyMap<string, HostMoments>): void;
  dispose(): void;
}

/** True when a parameter of this path and rank decays. */
export function decays(rule: DecayRule, name: string, rank: number): boolean {
  return rank >= 2 && (rule === 'matrices' || !/bias|ln|bn/.test(name));
}

/**
 * An optimizer over parameters by path, with all moments zero.
 * @param parameters stay the caller's; updated in place
 */
export function createAdamW(parameters: ReadonlyMap<string, Variable>, options: AdamWOptions): AdamW {
  const state = new Map<string, Moments>();
  for (const [name, { shape }] of parameters) {
    state.set(name, { step: 0, expAvg: zeroVariable(shape), expAvgSq: zeroVariable(shape) });
  }
  return {
    state,
    update: (request) => {
      checkNames(state, request.gradients, 'gradients');
      tf.tidy(() => adamwUpdates(updatesOf({ parameters, state, options, ...request })));
    },
    restore: (saved) => restoreState(state, saved),
    dispose: () => {
      for (const { expAvg, expAvgSq } of state.values()) tf.dispose([expAvg, expAvgSq]);
      state.clear();
    },
  };
}

interface Updates {
  parameters: ReadonlyMap<string, Variable>;
  state: Map<string, Moments>;
  options: AdamWOptions;
  gradients: NamedGradients;
  lr: number;
  gradScale?: number | undefined;
}

/** The updates of all parameters that have one; their steps are counted. Called inside `tf.tidy`. */
function updatesOf({ parameters, state, options, gradients, lr, gradScale = 1 }: Updates): AdamWUpdateArgs[] {
  const { decayRule = 'matrices', eps, betas } = options;
  const updates: AdamWUpdateArgs[] = [];
  for (const [name, param] of parameters) {
    const moments = state.get(name)!;
    const given = gradients.get(name) ?? null;
    if (given === null && !(options.zeroMissingGradients === true && moments.step > 0)) continue;
    moments.step++;
    updates.push({
      param,
      grad: given ?? tf.zeros(param.shape),
      m: moments.expAvg,
      v: moments.expAvgSq,
      lr,
      beta1: betas[0],
      beta2: betas[1],
      eps,
      weightDecay: decays(decayRule, name, param.rank) ? options.weightDecay : 0,
      step: moments.step,
      gradScale,
    });
  }
  return updates;
}

function zeroVariable(shape: number[]): Variable {
  return variableOf(tf.zeros(shape));
}

/** A variable that takes over the tensor. */
function variableOf(tensor: ReturnType<typeof tf.zeros>): Variable {
  const variable = tf.variable(tensor, false);
  tensor.dispose();
  return variable;
}

function restoreState(state: Map<string, Moments>, saved: ReadonlyMap<string, HostMoments>): void {
  checkNames(state, saved, 'saved moments');
  for (const [name, { step, expAvg, expAvgSq }] of saved) {
    const { size } = state.get(name)!.expAvg;
    if (expAvg.length !== size || expAvgSq.length !== size || !Number.isSafeInteger(step) || step < 0) {
      const found = `step ${step}, moments of ${expAvg.length} and ${expAvgSq.length} values`;
      throw stateError(name, found, `a step count, moments of ${size} values`);
    }
  }
  for (const [name, { step, expAvg, expAvgSq }] of saved) {
    const moments = state.get(name)!;
    moments.step = step;
    assignValues(moments.expAvg, expAvg);
    assignValues(moments.expAvgSq, expAvgSq);
  }
}

function assignValues(variable: Variable, values: Float32Array): void {
  const tensor = tf.tensor(values, variable.shape, 'float32');
  variable.assign(tensor);
  tensor.dispose();
}

function checkNames(state: ReadonlyMap<string, unknown>, given: ReadonlyMap<string, unknown>, what: string): void {
  const missing = [...state.keys()].filter((name) => !given.has(name));
  const unknown = [...given.keys()].filter((name) => !state.has(name));
  if (missing.length === 0 && unknown.length === 0) return;
  const found = [...missing.map((name) => `no ${name}`), ...unknown.map((name) => `unknown ${name}`)];
  const rest = found.length > 8 ? ` and ${found.length - 8} more` : '';
  throw stateError(what, found.slice(0, 8).join(', ') + rest, 'exactly the parameters that train');
}

function stateError(where: string, found: string, expected: string): TristageError {
  return new TristageError({
    kind: 'checkpoint',
    code: 'E_OPTIMIZER_STATE',
    message: 'the state of the optimizer does not fit the parameters that train',
    where,
    found,
    expected,
    fix: 'train the same groups with the same model sizes as the checkpoint, or start from its weights alone',
  });
}

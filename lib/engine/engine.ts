/** Opens the engine that a config asks for: the tfjs backend that computes. One engine per process. */

import { TristageError } from '../core/errors.ts';
import type { Precision } from './precision.ts';

/** What can compute. */
export type EngineName = 'torch' | 'tensorflow';
/** Where it computes; `auto` takes a GPU where there is one. */
export type DeviceChoice = 'auto' | 'cpu' | 'cuda';

export interface EngineRequest {
  /** `auto` takes the first that works of torch and tensorflow; a named engine is never replaced by another. */
  backend: 'auto' | EngineName;
  device: DeviceChoice;
  /** Threads for numerical work; default: the processors this process may use. */
  threads?: number | undefined;
  /** Default float32. With bf16 the torch engine computes in it on CUDA; on a CPU it is storage of frozen weights alone. */
  precision?: Precision | undefined;
}

export interface EngineInfo {
  backend: EngineName;
  device: 'cpu' | 'cuda';
  /** Version of the library that computes. */
  version: string;
  threads: number;
  /** Why this engine and no other, in a sentence. */
  why: string;
  /** What is computed in a slower way than the device could, and why; absent: nothing. */
  slower?: readonly string[];
}

/** What each engine's own `open` promises. */
type Opened = Omit<EngineInfo, 'backend' | 'why'>;
/** How each engine is opened; replaced in tests of the choice. */
export type Openers = Readonly<
  Record<EngineName, (options: { device: DeviceChoice; threads?: number | undefined }) => Promise<Opened>>
>;

/** The order of `auto`. */
export const ENGINES: readonly EngineName[] = ['torch', 'tensorflow'];

const openers: Openers = {
  torch: async (options) => (await import('./torch/index.ts')).openTorch(options),
  tensorflow: async (options) => (await import('./tensorflow/index.ts')).openTensorflow(options),
};

/** True for an engine that cannot be had here; anything else is a fault that must not be hidden by trying another. */
function isUnavailable(error: unknown): error is TristageError {
  return error instanceof TristageError && error.kind === 'environment';
}

/**
 * The engine for a request, without the rule of one per process.
 * @throws TristageError the named engine's own error; E_ENGINE_MISSING when `auto` finds none
 */
export async function chooseEngine(request: EngineRequest, open: Openers = openers): Promise<EngineInfo> {
  const { backend, device, threads } = request;
  if (backend !== 'auto') {
    const opened = await open[backend]({ device, threads });
    return { backend, ...opened, why: `${backend} was asked for by name` };
  }
  const refused: { name: EngineName; error: TristageError }[] = [];
  for (const name of ENGINES) {
    try {
      const opened = await open[name]({ device, threads });
      const first = `auto: ${name} is the first of ${ENGINES.join(', ')} and works`;
      const later = `auto: ${refused.map(({ name: other, error }) => `${other} cannot be used (${error.code}: ${error.message})`).join(', ')}; ${name} works`;
      return { backend: name, ...opened, why: refused.length === 0 ? first : later };
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      refused.push({ name, error });
    }
  }
  throw new TristageError({
    kind: 'environment',
    code: 'E_ENGINE_MISSING',
    message: 'no engine can be used',
    found: refused.map(({ name, error }) => `${name}: ${error.code} ${error.message}`).join('; '),
    expected: `one of ${ENGINES.join(', ')}, set up`,
    fix: 'tristage setup; tristage doctor says what is missing',
    cause: refused[0]?.error,
  });
}

/** Makes an open engine compute as is asked; tensors of both kinds are taken at any time. */
async function computeIn({ backend, device }: EngineInfo, precision: Precision): Promise<void> {
  if (backend !== 'torch') return;
  const { computeTorchIn } = await import('./torch/index.ts');
  computeTorchIn(device === 'cuda' ? precision : 'float32');
}

let current: { request: EngineRequest; info: Promise<EngineInfo> } | undefined;

/** Whether an engine that is open is what a request asks for. */
function serves(info: EngineInfo, request: EngineRequest): boolean {
  const { backend, device, threads } = request;
  return (
    (backend === 'auto' || backend === info.backend) &&
    (device === 'auto' || device === info.device) &&
    (threads === undefined || threads === info.threads)
  );
}

/** @throws TristageError E_ENGINE_REQUEST for a thread count that is no whole number from 1 up */
function validate({ threads }: EngineRequest): void {
  if (threads === undefined || (Number.isSafeInteger(threads) && threads >= 1)) return;
  throw new TristageError({
    kind: 'usage',
    code: 'E_ENGINE_REQUEST',
    message: 'the number of threads is not usable',
    found: String(threads),
    expected: 'a whole number, 1 or more',
  });
}

/**
 * Opens an engine and makes it tfjs's current backend. A second call that asks for the same engine gets the same answer.
 * @throws TristageError E_ENGINE_MISSING, E_ENGINE_LOAD, E_DEVICE: see each engine; E_ENGINE_OPEN: another one is open
 */
export async function openEngine(request: EngineRequest): Promise<EngineInfo> {
  validate(request);
  const isFirst = current === undefined;
  if (current === undefined) {
    const opening = { request, info: chooseEngine(request) };
    current = opening;
    opening.info.catch(() => {
      if (current === opening) current = undefined;
    });
  }
  const info = await current.info;
  if (isFirst || serves(info, request)) {
    await computeIn(info, request.precision ?? 'float32');
    return info;
  }
  throw new TristageError({
    kind: 'usage',
    code: 'E_ENGINE_OPEN',
    message: 'another engine is open in this process',
    found: `${info.backend} on ${info.device} with ${info.threads} threads`,
    expected: `${request.backend} on ${request.device}${request.threads === undefined ? '' : ` with ${request.threads} threads`}`,
    fix: 'run each engine in a process of its own',
  });
}

/**
 * The tape of one differentiation. tfjs records every operation by `activeTape.push(node)`; this tape stands in for
 * that array, so that a node which no differentiated tensor reaches is dropped, and a saved tensor which no needed
 * gradient reads is freed, at the moment of recording.
 */
import { savedTensorUse } from '../ops/fused-op.ts';
import { type Tensor, tf } from '../tf.ts';

/** A recorded operation, as tfjs pushes it. */
export interface TapeNode {
  id: number;
  kernelName: string;
  /** Optional inputs of stock kernels can be null. */
  inputs: Record<string, Tensor | null | undefined>;
  outputs: Tensor[];
  saved?: Tensor[];
  gradient?: (dys: (Tensor | null)[]) => Record<string, () => Tensor>;
}

/** The fields of tfjs's engine state that decide whether and where operations are recorded. */
interface RecordingState {
  activeTape: unknown;
  gradientDepth: number;
  kernelDepth: number;
  nextTapeNodeId: number;
}

function recordingState(): RecordingState {
  return tf.engine().state as RecordingState;
}

/** Whether an operation run now would be recorded. */
export function isRecording(): boolean {
  const state = recordingState();
  return state.gradientDepth > 0 && state.kernelDepth === 0;
}

export class Tape {
  readonly nodes: TapeNode[] = [];
  readonly #reached: Set<number>;

  constructor(sources: readonly Tensor[]) {
    this.#reached = new Set(sources.map((tensor) => tensor.id));
  }

  /** Called by tfjs for each operation. */
  push(node: TapeNode): void {
    const needed = Object.keys(node.inputs).filter((name) => this.reaches(node.inputs[name]));
    if (needed.length === 0) {
      for (const tensor of node.saved ?? []) tensor.dispose();
      return;
    }
    const use = savedTensorUse(node.kernelName);
    node.saved?.forEach((tensor, i) => {
      if (use?.[i] && !use[i].some((name) => needed.includes(name))) tensor.dispose();
    });
    for (const output of node.outputs) this.#reached.add(output.id);
    this.nodes.push(node);
  }

  /** Whether a gradient flows from this tensor to one of the sources. */
  reaches(tensor: Tensor | null | undefined): boolean {
    return tensor != null && this.#reached.has(tensor.id);
  }

  /** Frees all that the nodes still hold. */
  dispose(): void {
    for (const node of this.nodes.splice(0)) {
      for (const tensor of node.saved ?? []) tensor.dispose();
    }
  }
}

/** Runs `f` with its operations recorded on `tape`; the tape that was active before is restored. */
export function record<T>(tape: Tape, f: () => T): T {
  saveByReference();
  return withState({ activeTape: tape, gradientDepth: 1, kernelDepth: 0 }, f);
}

/** What tfjs calls with the tensors that a gradient needs. */
interface Saver {
  saveTensorsForBackwardMode(tensors: Tensor[]): Tensor[];
}

/** tfjs runs a kernel for each tensor that it saves; a further reference to its data is enough. */
function saveByReference(): void {
  const engine = tf.engine();
  (engine as unknown as Saver).saveTensorsForBackwardMode = (tensors) =>
    tensors.map((tensor) => {
      engine.backend.incRef(tensor.dataId);
      return engine.keep(engine.makeTensorFromTensorInfo(tensor));
    });
}

/** Runs `f` with nothing recorded. */
export function withoutRecording<T>(f: () => T): T {
  return withState({ gradientDepth: 0 }, f);
}

function withState<T>(change: Partial<RecordingState>, f: () => T): T {
  const state = recordingState();
  const { activeTape, gradientDepth, kernelDepth } = state;
  Object.assign(state, change);
  try {
    return f();
  } finally {
    Object.assign(state, { activeTape, gradientDepth, kernelDepth });
  }
}

/** Puts a node of our own on the active tape. */
export function recordNode(node: Omit<TapeNode, 'id'>): void {
  const state = recordingState();
  (state.activeTape as Tape).push({ id: state.nextTapeNodeId++, ...node });
}

/** Weights in any of the published containers, as one list of names whose tensors are read one at a time. */

import { readdirSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { TristageError } from '../core/errors.ts';
import { fileError, withByteFile } from '../formats/file-bytes.ts';
import type { HostTensor } from '../formats/host-tensor.ts';
import { type OpenOptions, openSafetensors } from '../formats/safetensors.ts';
import { isTorchTensor, openTorchFile, type TorchPlain, type TorchTensor } from '../formats/torch-zip.ts';
import { openGgufWeights } from './gguf-weights.ts';
import { openSharded } from './shards.ts';
import type { WeightEntry, WeightsFile } from './weights.ts';

/** Files that a folder of weights may consist of, in the order of preference. */
const FOLDER_FILES = [
  'model.safetensors',
  'model.safetensors.index.json',
  'adapter_model.safetensors',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
  'adapter_model.bin',
] as const;

/**
 * Opens weights: a safetensors file, a torch file (`.pth`, `.pt`, `.bin`), a GGUF file, an index of shards, or a folder that holds one
 * of these under its Hugging Face or PEFT name, or a single GGUF file. The content decides, not the extension. The caller closes it.
 * @param options where the tensors of safetensors files are read to
 * @throws TristageError E_FILE_READ, E_WEIGHTS_FOLDER, E_WEIGHTS_INDEX or the errors of the container
 */
export async function openWeights(path: string, options: OpenOptions = {}): Promise<WeightsFile> {
  const status = await stat(path).catch(() => undefined);
  if (status?.isDirectory() === true) return await openWeights(await mainFile(path), options);
  if (path.endsWith('.index.json')) return await openSharded(path, (shard) => openWeights(shard, options));
  return await OPENERS[await containerOf(path)](path, options);
}

/** Whether a folder holds something that {@link openWeights} opens. */
export function holdsWeights(folder: string): boolean {
  return readdirSync(folder).some((name) => FOLDER_FILES.some((known) => known === name) || name.endsWith('.gguf'));
}

/**
 * The file in a folder that is opened for it.
 * @throws TristageError E_WEIGHTS_FOLDER
 */
export async function mainFile(folder: string): Promise<string> {
  for (const name of FOLDER_FILES) {
    const path = join(folder, name);
    if (await stat(path).catch(() => undefined)) return path;
  }
  const quantised = (await readdir(folder)).filter((name) => name.endsWith('.gguf'));
  if (quantised.length === 1) return join(folder, quantised[0] as string);
  throw fileError(folder, {
    code: 'E_WEIGHTS_FOLDER',
    message: 'the folder holds no weights',
    found: quantised.length === 0 ? 'none of the known files' : `${quantised.length} GGUF files`,
    expected: `${FOLDER_FILES.join(', ')}, or one GGUF file`,
    fix: 'give the folder that holds one of these files, or a file of weights',
  });
}

type Container = 'safetensors' | 'torch' | 'gguf';

const OPENERS: Readonly<Record<Container, (path: string, options: OpenOptions) => Promise<WeightsFile>>> = {
  safetensors: openSafetensorsWeights,
  torch: openTorchWeights,
  gguf: openGgufWeights,
};

/** GGUF begins with its name, a ZIP with PK, a legacy torch file with the pickle opcode 0x80; a safetensors header with `{` at byte 8. */
async function containerOf(path: string): Promise<Container> {
  return withByteFile(path, async (file) => {
    const start = await file.read(0, Math.min(9, file.size));
    const begins = (bytes: readonly number[]): boolean => bytes.every((byte, i) => start[i] === byte);
    if (begins([0x47, 0x47, 0x55, 0x46])) return 'gguf';
    if (begins([0x50, 0x4b, 3, 4])) return 'torch';
    return begins([0x80, 2]) && start[8] !== 0x7b ? 'torch' : 'safetensors';
  });
}

async function openSafetensorsWeights(path: string, options: OpenOptions): Promise<WeightsFile> {
  const file = await openSafetensors(path, options);
  const entries = new Map<string, WeightEntry>();
  for (const [name, { dtype, shape }] of file.tensors) entries.set(name, { dtype, shape, file: path });
  return { path, entries, others: [], read: file.read, readWide: file.readWide, close: file.close };
}

async function openTorchWeights(path: string): Promise<WeightsFile> {
  const file = await openTorchFile(path);
  try {
    const { tensors, others } = stateDict(path, file.value);
    const entries = new Map<string, WeightEntry>();
    for (const [name, { dtype, shape }] of tensors) entries.set(name, { dtype, shape, file: path });
    const read = async (name: string): Promise<HostTensor> => {
      const tensor = tensors.get(name);
      if (tensor === undefined) throw stateError(path, `no ${JSON.stringify(name)}`);
      return await file.read(tensor);
    };
    return { path, entries, others, read, close: file.close };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function stateError(path: string, found: string): TristageError {
  return fileError(path, {
    code: 'E_TORCH_FILE',
    message: 'the file holds no dict of weights',
    found: found.slice(0, 200),
    expected: "a dict of tensors, or one under 'model' or 'state_dict'",
    fix: 'save the state dict of the model',
  });
}

type TorchObject = { [key: string]: TorchPlain<TorchTensor> };

function isObject(value: TorchPlain<TorchTensor> | undefined): value is TorchObject {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === null;
}

/** The state dict: the object itself, or what it holds under `model` or `state_dict`, as checkpoints of training scripts do. */
function stateDict(
  path: string,
  root: TorchPlain<TorchTensor>,
): { tensors: Map<string, TorchTensor>; others: string[] } {
  if (!isObject(root)) throw stateError(path, Array.isArray(root) ? 'a list' : typeof root);
  const inner = ['model', 'state_dict'].map((key) => root[key]).find(isObject) ?? root;
  const tensors = new Map<string, TorchTensor>();
  const others: string[] = [];
  for (const [name, value] of Object.entries(inner)) {
    if (isTorchTensor(value)) tensors.set(name, value);
    else others.push(name);
  }
  if (tensors.size === 0) throw stateError(path, `keys ${Object.keys(inner).slice(0, 8).join(', ')}`);
  return { tensors, others };
}

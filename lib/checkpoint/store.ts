/**
 * Checkpoints of a run: `RUN/checkpoints/step-N/{model,optimizer}.safetensors, state.json, manifest.json`. A checkpoint appears whole
 * or not at all, and is read only when every file has the size and the SHA-256 that its manifest says. `model.safetensors` holds
 * tensors alone (no time, path or run id), so that equal training gives equal bytes.
 */

import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { publishDirAtomic, removeDirAtomic, removeTemporaries } from '../core/atomic.ts';
import { TristageError } from '../core/errors.ts';
import { sha256File } from '../core/hash.ts';
import { fileError } from '../formats/file-bytes.ts';
import { type TensorSource, writeSafetensorsFrom } from '../formats/safetensors.ts';

/** Names of the files of a checkpoint. */
export const CHECKPOINT_FILES = {
  model: 'model.safetensors',
  optimizer: 'optimizer.safetensors',
  state: 'state.json',
  manifest: 'manifest.json',
} as const;
const { model: MODEL, optimizer: OPTIMIZER, state: STATE, manifest: MANIFEST } = CHECKPOINT_FILES;
const FILES = [MODEL, OPTIMIZER, STATE] as const;
const STEP_FOLDER = /^step-(0|[1-9]\d{0,14})$/;

interface FileRecord {
  sha256: string;
  bytes: number;
}

interface Manifest {
  format: 1;
  step: number;
  files: Record<(typeof FILES)[number], FileRecord>;
}

/** What a checkpoint holds. */
export interface CheckpointContent {
  /** Updates done. */
  step: number;
  /** By in-memory name. */
  model: ReadonlyMap<string, TensorSource>;
  optimizer: ReadonlyMap<string, TensorSource>;
  /** Any JSON value; its meaning is the caller's. */
  state: unknown;
}

/** A checkpoint whose files were all verified. */
export interface Checkpoint {
  /** Its folder. */
  path: string;
  step: number;
  state: unknown;
  /** Paths of the two tensor files. */
  modelFile: string;
  optimizerFile: string;
}

/** A checkpoint that cannot be used. */
export interface DamagedCheckpoint {
  path: string;
  error: TristageError;
}

/** The folder of a run's checkpoints. */
export function checkpointsDir(runDir: string): string {
  return join(runDir, 'checkpoints');
}

/**
 * Writes a checkpoint of a run and then removes earlier ones beyond `keep`. Only one process may write checkpoints of a run.
 * @param request `keep`: how many stay, this one included; default all. `protect`: steps whose checkpoints stay beside these
 * @returns the folder of the checkpoint
 * @throws TristageError E_DISK_FULL when there is no room, E_CHECKPOINT_FOLDER when the folder cannot be written; the checkpoints
 *   before stay as they are
 */
export async function writeCheckpoint(
  request: CheckpointContent & { runDir: string; keep?: number; protect?: ReadonlySet<number> },
): Promise<string> {
  const { runDir, step, keep = Number.POSITIVE_INFINITY, protect } = request;
  if (!(Number.isSafeInteger(step) && step >= 0) || !(keep >= 1)) {
    throw new RangeError(`step must be a whole number and keep at least 1, found ${step} and ${keep}`);
  }
  if (JSON.stringify(request.state) === undefined) throw new TypeError('the state must be a JSON value');
  const folder = checkpointsDir(runDir);
  const path = join(folder, `step-${step}`);
  try {
    if (await stat(folder).catch(() => undefined)) await removeTemporaries(folder);
    await publishDirAtomic(path, (temporary) => fillFolder(temporary, request));
    // A later one can only be a damaged one that the run had to walk back from: it must not push out a good one.
    const older = (await listSteps(folder)).filter((other) => other < step);
    const surplus = older.slice(keep - 1).filter((old) => protect?.has(old) !== true);
    for (const old of surplus) await removeDirAtomic(join(folder, `step-${old}`));
  } catch (error) {
    throw diskError(path, error);
  }
  return path;
}

async function fillFolder(folder: string, { model, optimizer, state, step }: CheckpointContent): Promise<void> {
  await writeSafetensorsFrom(join(folder, MODEL), model, { format: 'pt' });
  await writeSafetensorsFrom(join(folder, OPTIMIZER), optimizer, { format: 'pt' });
  await writeFile(join(folder, STATE), `${JSON.stringify(state, null, 2)}\n`);
  const records: [string, FileRecord][] = [];
  for (const name of FILES) {
    const { hash, bytes } = await sha256File(join(folder, name));
    records.push([name, { sha256: hash, bytes }]);
  }
  const manifest = { format: 1, step, files: Object.fromEntries(records) };
  await writeFile(join(folder, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** Failures of the file system as coded errors; anything else as it is. */
function diskError(path: string, error: unknown): unknown {
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (error instanceof TristageError || code === undefined || syscall === undefined) return error;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new TristageError({
      kind: 'resources',
      code: 'E_DISK_FULL',
      message: 'there is no room for the checkpoint',
      where: path,
      found: message,
      expected: 'free space for the weights that train and twice as much for the optimizer',
      fix: 'free space and resume; the checkpoints before are whole',
      cause: error,
    });
  }
  return fileError(path, {
    code: 'E_CHECKPOINT_FOLDER',
    message: 'the folder of checkpoints cannot be used',
    found: message,
    expected: 'a folder that this process may read and write',
    fix: 'give another --out, or correct its permissions',
    cause: error,
  });
}

/** Steps of the checkpoints in a folder, the newest first. Names of another form are not looked at. */
async function listSteps(folder: string): Promise<number[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw diskError(folder, error);
  });
  const steps = names.flatMap((name) => STEP_FOLDER.exec(name)?.[1] ?? []).map(Number);
  return steps.sort((a, b) => b - a);
}

/**
 * Verifies one checkpoint.
 * @param path its folder, of any name
 * @throws TristageError E_CHECKPOINT_DAMAGED naming the file that is missing, cut short or changed
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  const manifest = await readManifest(path);
  for (const name of FILES) {
    const file = join(path, name);
    const wanted = manifest.files[name];
    const found = await sha256File(file).catch((error: Error) => {
      throw damaged(file, error.message, `${wanted.bytes} bytes`);
    });
    if (found.bytes !== wanted.bytes) throw damaged(file, `${found.bytes} bytes`, `${wanted.bytes} bytes`);
    if (found.hash !== wanted.sha256) throw damaged(file, `SHA-256 ${found.hash}`, wanted.sha256);
  }
  const state = await readJson(join(path, STATE));
  return { path, step: manifest.step, state, modelFile: join(path, MODEL), optimizerFile: join(path, OPTIMIZER) };
}

function damaged(file: string, found: string, expected: string): TristageError {
  return fileError(file, {
    code: 'E_CHECKPOINT_DAMAGED',
    message: 'the checkpoint is damaged',
    found,
    expected,
    fix: 'use an older checkpoint of the run; resuming finds the last good one by itself',
  });
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw damaged(file, (error as Error).message, 'a JSON file');
  }
}

async function readManifest(path: string): Promise<Manifest> {
  const file = join(path, MANIFEST);
  const manifest = (await readJson(file)) as Partial<Manifest> | null;
  const step = manifest?.step;
  if (manifest?.format !== 1 || !Number.isSafeInteger(step) || Number(step) < 0) {
    throw damaged(file, `format ${manifest?.format}, step ${step}`, 'format 1 and a step');
  }
  for (const name of FILES) {
    const record = manifest.files?.[name];
    if (typeof record?.sha256 !== 'string' || !Number.isSafeInteger(record.bytes)) {
      throw damaged(file, `no record of ${name}`, 'sha256 and bytes of each file');
    }
  }
  return manifest as Manifest;
}

/**
 * The newest checkpoint of a run that is whole, and every newer one that is not. What interrupted writes left is not looked at.
 * @returns `checkpoint` is undefined when the run has none that can be used
 */
export async function latestGood(
  runDir: string,
): Promise<{ checkpoint: Checkpoint | undefined; damaged: DamagedCheckpoint[] }> {
  const folder = checkpointsDir(runDir);
  const bad: DamagedCheckpoint[] = [];
  for (const step of await listSteps(folder)) {
    const path = join(folder, `step-${step}`);
    try {
      const checkpoint = await openCheckpoint(path);
      if (checkpoint.step === step) return { checkpoint, damaged: bad };
      throw damaged(
        join(path, MANIFEST),
        `step ${checkpoint.step}`,
        `step ${step}, as the folder ${basename(path)} says`,
      );
    } catch (error) {
      if (!(error instanceof TristageError)) throw error;
      bad.push({ path, error });
    }
  }
  return { checkpoint: undefined, damaged: bad };
}

/** Weights of a file or folder under in-memory names, checked against what the model expects and reported: nothing is skipped silently. */

import type { TristageError } from '../core/errors.ts';
import { type Allocate, fileError } from '../formats/file-bytes.ts';
import { castFloat, type HostDtype, type HostTensor, isFloatDtype } from '../formats/host-tensor.ts';
import { detectLayout, meaningOf, type WeightLayout } from './names.ts';
import type { WeightsFile } from './weights.ts';
import { openWeights } from './weights-file.ts';

/** What one import found. Every name of the file is in `found`, `unexpected` or `ignored`. */
export interface ImportReport {
  path: string;
  layout: WeightLayout;
  /** In-memory names that were read, in the model's order. */
  found: string[];
  /** Names that the model expects and the file lacks. */
  missing: string[];
  /** The file's own names that mean nothing to the model. */
  unexpected: string[];
  /** The file's own names that no model here needs, with the reason. */
  ignored: { key: string; reason: string }[];
  shapeMismatch: ShapeDifference[];
  /** Shapes that differ and were passed on as they are, because the model fits them itself. */
  reshaped: ShapeDifference[];
  /** Tensors whose dtype is changed when they are read; a quantised type by its own name. */
  cast: { name: string; from: string; to: HostDtype }[];
}

/** A weight of another shape than the model's. */
export interface ShapeDifference {
  name: string;
  key: string;
  found: readonly number[];
  expected: readonly number[];
}

type WantedDtype = 'F32' | 'F16' | 'BF16' | 'keep';

export interface ImportRequest {
  /** See {@link openWeights}. */
  path: string;
  /** In-memory name -> shape of every weight that the caller wants from this file. */
  expected: ReadonlyMap<string, readonly number[]>;
  /** Receives each tensor in the model's order; the next is read when it is done. */
  onTensor: (name: string, tensor: HostTensor) => void | Promise<void>;
  /** Names that may be missing. Default none. */
  optional?: (name: string) => boolean;
  /** Names that are known to the model but not wanted from this file; they count as ignored. Default none. */
  ignore?: (name: string) => boolean;
  /** Shapes to pass on as they are though they differ, such as a position embedding of another grid. Default none. */
  acceptShape?: (name: string, shape: readonly number[]) => boolean;
  /** The dtype that every float tensor is brought to, or each by its name. Default F32; `keep` leaves the file's own. */
  dtype?: WantedDtype | ((name: string) => WantedDtype);
  /** Where tensors are read to; default: arrays of their own. */
  allocate?: Allocate | undefined;
  /** Blocks of the model's ViT; see {@link meaningOf}. */
  vitDepth?: number;
}

/**
 * Reads weights. Everything is checked before the first tensor is read.
 * @returns the report; `missing` holds optional names only, `unexpected` and `shapeMismatch` are empty
 * @throws TristageError E_WEIGHT_MISSING, E_WEIGHT_UNKNOWN, E_WEIGHT_SHAPE, E_WEIGHT_DUPLICATE or E_WEIGHT_DTYPE naming the keys,
 *   and the errors of {@link openWeights} and {@link detectLayout}
 */
export async function importWeights(request: ImportRequest): Promise<ImportReport> {
  const opened = await openImport(request);
  try {
    for (const name of opened.report.found) await request.onTensor(name, await opened.read(name));
    return opened.report;
  } finally {
    await opened.close();
  }
}

/** Weights that fit the model and have not been read. */
export interface OpenImport {
  readonly report: ImportReport;
  /** The files that hold what was found. */
  readonly files: ReadonlySet<string>;
  /** One of the found tensors in fresh memory, of the dtype that is wanted for it. @param name in memory */
  read(name: string): Promise<HostTensor>;
  close(): Promise<void>;
}

/**
 * Opens weights and checks all of them; tensors are read when they are asked for. The caller closes it.
 * @throws TristageError as {@link importWeights}
 */
export async function openImport(request: Omit<ImportRequest, 'onTensor'>): Promise<OpenImport> {
  const file = await openWeights(request.path, { allocate: request.allocate });
  try {
    const { report, keys } = compareWeights(file, request);
    const [fault] = strictFaults(report, request.optional);
    if (fault !== undefined) throw fault;
    const { dtype: wanted = 'F32' } = request;
    const dtypeOf = typeof wanted === 'function' ? wanted : () => wanted;
    report.cast.push(...castsTo(dtypeOf, { file, report, keys }));
    return {
      report,
      files: new Set([...keys.values()].map((key) => file.entries.get(key)!.file)),
      read: async (name) => {
        const key = keys.get(name)!;
        const dtype = dtypeOf(name);
        if (dtype === 'F32' && file.readWide !== undefined) return castFloat(await file.readWide(key), dtype);
        const tensor = await file.read(key);
        return dtype === 'keep' ? tensor : castFloat(tensor, dtype);
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * What {@link openImport} would find, from names, shapes and dtypes alone.
 * @returns the report, and every fault that it shows
 * @throws TristageError E_WEIGHT_DUPLICATE, E_WEIGHT_DTYPE, and the errors of {@link openWeights} and {@link detectLayout}
 */
export async function previewImport(
  request: Omit<ImportRequest, 'onTensor' | 'dtype'>,
): Promise<{ report: ImportReport; faults: TristageError[] }> {
  const file = await openWeights(request.path);
  try {
    const { report } = compareWeights(file, request);
    return { report, faults: strictFaults(report, request.optional) };
  } finally {
    await file.close();
  }
}

/** As {@link importWeights}, with all tensors in memory. */
export async function readWeights(
  request: Omit<ImportRequest, 'onTensor'>,
): Promise<{ tensors: Map<string, HostTensor>; report: ImportReport }> {
  const tensors = new Map<string, HostTensor>();
  const report = await importWeights({ ...request, onTensor: (name, tensor) => void tensors.set(name, tensor) });
  return { tensors, report };
}

/**
 * Compares the names, shapes and dtypes of open weights with what is expected; reads no tensor.
 * @returns the report, and the file's own key of each found name
 * @throws TristageError E_WEIGHT_DUPLICATE when two keys mean one weight, E_WEIGHT_DTYPE when a weight is not of a float dtype
 */
export function compareWeights(
  file: WeightsFile,
  request: Omit<ImportRequest, 'onTensor' | 'path'>,
): { report: ImportReport; keys: ReadonlyMap<string, string> } {
  const { expected, ignore = () => false, acceptShape = () => false } = request;
  const layout = detectLayout(file.entries.keys(), file.path);
  const unexpected: string[] = [...file.others];
  const ignored: ImportReport['ignored'] = [];
  const keys = new Map<string, string>();
  for (const key of file.entries.keys()) {
    const meaning = meaningOf(key, layout, request.vitDepth);
    if ('ignored' in meaning) ignored.push({ key, reason: meaning.ignored });
    else if (keys.has(meaning.name)) throw duplicateError(file.path, [keys.get(meaning.name)!, key], meaning.name);
    else if (expected.has(meaning.name)) keys.set(meaning.name, key);
    else if (ignore(meaning.name)) ignored.push({ key, reason: 'not wanted from this file' });
    else unexpected.push(key);
  }
  const shapeMismatch: ShapeDifference[] = [];
  const reshaped: ShapeDifference[] = [];
  for (const [name, key] of keys) {
    const { shape, dtype } = file.entries.get(key)!;
    const wanted = expected.get(name)!;
    if (!isFloatDtype(dtype)) throw dtypeError(file.path, key, dtype);
    if (sameShape(shape, wanted)) continue;
    const difference = { name, key, found: shape, expected: wanted };
    (acceptShape(name, shape) ? reshaped : shapeMismatch).push(difference);
  }
  const found = [...expected.keys()].filter((name) => keys.has(name));
  const missing = [...expected.keys()].filter((name) => !keys.has(name));
  const report = { path: file.path, layout, found, missing, unexpected, ignored, shapeMismatch, reshaped, cast: [] };
  return { report, keys };
}

function castsTo(
  dtypeOf: (name: string) => WantedDtype,
  { file, report, keys }: { file: WeightsFile; report: ImportReport; keys: ReadonlyMap<string, string> },
): ImportReport['cast'] {
  return report.found.flatMap((name) => {
    const entry = file.entries.get(keys.get(name)!)!;
    const dtype = dtypeOf(name);
    if (dtype === 'keep') return [];
    const isSame = entry.dtype === dtype && entry.stored === undefined;
    return isSame ? [] : [{ name, from: entry.stored ?? entry.dtype, to: dtype }];
  });
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

function duplicateError(path: string, keys: readonly string[], name: string): TristageError {
  return fileError(path, {
    code: 'E_WEIGHT_DUPLICATE',
    message: 'two keys of the file mean one weight',
    found: keys.join(' and '),
    expected: `one key for ${name}`,
    fix: 'keep the adapter that you want in the file and remove the other',
  });
}

function dtypeError(path: string, key: string, dtype: HostDtype): TristageError {
  return fileError(path, {
    code: 'E_WEIGHT_DTYPE',
    message: 'a weight is not made of fractions',
    found: `${key}: ${dtype}`,
    expected: 'F64, F32, F16 or BF16',
    fix: 'quantised weights are not read; use the original ones',
  });
}

/** A list for a message, cut after eight items. */
function listed(items: readonly string[]): string {
  return items.slice(0, 8).join(', ') + (items.length > 8 ? ` and ${items.length - 8} more` : '');
}

/** Weights that are missing, unknown or of another shape: an error for each of the three. */
function strictFaults(
  report: ImportReport,
  optional: NonNullable<ImportRequest['optional']> = () => false,
): TristageError[] {
  const faults: TristageError[] = [];
  const missing = report.missing.filter((name) => !optional(name));
  const wanted = report.found.length + report.missing.length;
  if (missing.length > 0) {
    const fault = fileError(report.path, {
      code: 'E_WEIGHT_MISSING',
      message: 'Weights of the model are missing',
      found: `${report.found.length} of ${wanted}; not ${listed(missing)}${surplus(report)}`,
      expected: `all ${wanted} weights`,
      fix: 'Check that the file belongs to this model and that its layers and adapters equal the config',
    });
    faults.push(fault);
  }
  if (report.unexpected.length > 0) {
    const fault = fileError(report.path, {
      code: 'E_WEIGHT_UNKNOWN',
      message: 'The model has no such weights',
      found: listed(report.unexpected),
      expected: 'exactly the weights of the configured model',
      fix: 'Check that the file belongs to this model and that its layers and adapters equal the config',
    });
    faults.push(fault);
  }
  if (report.shapeMismatch.length > 0) {
    const lines = report.shapeMismatch.map(
      ({ key, found, expected }) => `${key} [${found.join(', ')}], not [${expected.join(', ')}]`,
    );
    const fault = fileError(report.path, {
      code: 'E_WEIGHT_SHAPE',
      message: 'A weight does not have the shape that the model needs',
      found: listed(lines),
      expected: 'the shapes of the configured model',
      fix: 'Use weights of the configured model, or set the sizes under `model` to those of the weights',
    });
    faults.push(fault);
  }
  return faults;
}

function surplus({ unexpected }: ImportReport): string {
  return unexpected.length === 0 ? '' : `; the file has ${listed(unexpected)} instead`;
}

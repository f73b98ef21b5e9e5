/** `tristage verify WEIGHTS`: every tensor of a file or folder of weights, read once. */

import { statSync } from 'node:fs';
import { publishedLlama } from '../checkpoint/llama-settings.ts';
import { detectLayout } from '../checkpoint/names.ts';
import { surveyWeights, type TensorFacts } from '../checkpoint/survey.ts';
import type { WeightsFile } from '../checkpoint/weights.ts';
import { holdsWeights, openWeights } from '../checkpoint/weights-file.ts';
import { TristageError } from '../core/errors.ts';
import { DTYPE_BYTES, type HostDtype } from '../formats/host-tensor.ts';
import { valuesIn } from '../model/shapes.ts';
import type { VerifiedWeights } from './verified.ts';

/** Whether something at a path may be weights: any file, or a folder with one that weights are kept in. */
export function isWeights(path: string): boolean {
  const status = statSync(path, { throwIfNoEntry: false });
  return status?.isFile() === true || (status?.isDirectory() === true && holdsWeights(path));
}

/**
 * Reads weights from the first tensor to the last.
 * @throws TristageError the errors of the reader
 */
export async function verifyWeights(path: string): Promise<VerifiedWeights> {
  const file = await openWeights(path);
  const tensors: TensorFacts[] = [];
  try {
    for await (const facts of surveyWeights(file)) tensors.push(facts);
  } finally {
    await file.close();
  }
  const sizeOf = ({ dtype, shape }: TensorFacts) => valuesIn(shape) * DTYPE_BYTES[dtype as HostDtype];
  return {
    kind: 'weights',
    path,
    layout: layoutOf(file),
    tensors,
    others: file.others,
    bytes: tensors.reduce((sum, facts) => sum + sizeOf(facts), 0),
    notFinite: tensors.filter(({ notFinite }) => notFinite > 0).length,
    llama: await settingsOf(path),
  };
}

function layoutOf(file: WeightsFile): string | null {
  try {
    return detectLayout(file.entries.keys(), file.path);
  } catch (error) {
    if (error instanceof TristageError) return null;
    throw error;
  }
}

/** Weights of another model than a LLaMA may be verified too. */
async function settingsOf(path: string): Promise<object | undefined> {
  try {
    return (await publishedLlama(path))?.settings;
  } catch (error) {
    if (error instanceof TristageError && error.code !== 'E_FILE_READ') return undefined;
    throw error;
  }
}

/** @returns the listing for people: a line for each tensor, then the sums */
export function renderWeights({ path, layout, tensors, others, bytes, notFinite, llama }: VerifiedWeights): string {
  const width = Math.max(0, ...tensors.map(({ name }) => name.length));
  const lines = tensors.map(({ name, dtype, stored, shape, sha256, notFinite: bad }) => {
    const type = stored === undefined ? dtype : `${stored}, read as ${dtype}`;
    const fault = bad === 0 ? '' : `  ${bad} VALUES NOT FINITE`;
    return `${name.padEnd(width)}  ${type} [${shape.join(', ')}]  ${sha256.slice(0, 16)}${fault}`;
  });
  return [
    ...lines,
    ...others.map((name) => `${name}  no tensor`),
    ...(llama === undefined ? [] : [`language model: ${JSON.stringify(llama)}`]),
    `${path}: ${tensors.length} tensors, ${bytes} bytes, names of ${layout ?? 'no known program'}`,
    notFinite === 0 ? 'every value is finite' : `${notFinite} tensors hold values that are not finite`,
  ].join('\n');
}

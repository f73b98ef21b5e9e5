/** How the files under `model.weights` are read and held against the model of a run. */

import { type ImportReport, type ImportRequest, previewImport } from '../checkpoint/import.ts';
import { checkLlamaSettings, publishedLlama } from '../checkpoint/llama-settings.ts';
import { TristageError } from '../core/errors.ts';
import type { ModelConfig } from '../model/config.ts';
import { modelShapes, POS_EMBED } from '../model/shapes.ts';
import type { WeightsPart } from './model-config.ts';

/** Whether a weight may come in the shape of another grid. */
export const isPosEmbed = (name: string, shape: readonly number[]): boolean => name === POS_EMBED && shape.length === 3;

/** What is wanted from the file of one part. @param expected those of its names that nothing else holds */
export function publishedRequest(
  config: ModelConfig,
  { path, expected, optional }: Pick<ImportRequest, 'path' | 'expected'> & Pick<WeightsPart, 'optional'>,
): Omit<ImportRequest, 'onTensor' | 'dtype'> {
  const known = modelShapes(config);
  const ignore = (name: string): boolean => known.has(name);
  return { path, expected, optional, ignore, acceptShape: isPosEmbed, vitDepth: config.vision.depth };
}

/**
 * Holds a run's language model against what its published weights say of themselves.
 * @throws TristageError E_LLAMA_MISMATCH, E_LLAMA_CONFIG
 */
export async function checkLanguageModel(config: ModelConfig, path: string): Promise<void> {
  const published = await publishedLlama(path);
  if (published !== undefined) checkLlamaSettings(config.llm, published);
}

const isAdapter = (name: string): boolean => name.includes('.lora_');

/**
 * A file with adapters has all of them: a part would begin at random beside the trained ones, and nobody would see it.
 * @throws TristageError E_WEIGHT_MISSING
 */
export function checkAdapters({ path, found, missing }: ImportReport): void {
  const there = found.filter(isAdapter);
  const lost = missing.filter(isAdapter);
  if (there.length > 0 && lost.length > 0) throw missingError(path, lost);
}

/** The error of weights that nothing holds. */
export function missingError(where: string, names: readonly string[]): TristageError {
  return new TristageError({
    kind: 'checkpoint',
    code: 'E_WEIGHT_MISSING',
    message: 'weights of the model are neither in the checkpoint nor in published files',
    where,
    found: `${names.length} missing, such as ${names.slice(0, 3).join(', ')}`,
    expected: 'every weight of the configured model',
    fix: 'name the published files under model.weights, as the run that wrote the checkpoint did',
  });
}

/**
 * Reads the headers of the file of one part, and the settings beside a language model.
 * @returns every fault of them; none means that loading will find all that it needs
 */
export async function faultsOfPart(
  config: ModelConfig,
  { key, ...request }: Parameters<typeof publishedRequest>[1] & Pick<WeightsPart, 'key'>,
): Promise<TristageError[]> {
  const faults: TristageError[] = [];
  const attempt = async (action: () => Promise<readonly TristageError[]>): Promise<void> => {
    try {
      faults.push(...(await action()));
    } catch (error) {
      if (!(error instanceof TristageError)) throw error;
      faults.push(error);
    }
  };
  if (key === 'llm')
    await attempt(async () => {
      await checkLanguageModel(config, request.path);
      return [];
    });
  const unreadable = faults.some(({ code }) => code !== 'E_LLAMA_MISMATCH' && code !== 'E_LLAMA_CONFIG');
  if (unreadable) return faults;
  await attempt(async () => {
    const { report, faults: found } = await previewImport(publishedRequest(config, request));
    if (found.length === 0) checkAdapters(report);
    return found;
  });
  return faults;
}

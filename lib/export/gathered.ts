/** A model out of several files: all of them checked first, then read one tensor at a time. */

import { type ImportRequest, openImport } from '../checkpoint/import.ts';
import { toFloat32 } from '../formats/host-tensor.ts';
import type { ModelConfig } from '../model/config.ts';
import type { HostWeight } from '../model/store.ts';
import type { ReloadedModel } from './format.ts';

/** Weights on their way into a model; a name that is there already is kept. */
export interface GatheredWeights {
  has(name: string): boolean;
  /** Adds what a file holds. @throws TristageError those of {@link openImport} */
  addFile(request: Omit<ImportRequest, 'onTensor' | 'dtype'>): Promise<void>;
  /** Adds one weight. @param read called each time that it is asked for */
  add(name: string, read: () => Promise<HostWeight>): void;
}

/**
 * Opens the files of a model.
 * @param gather adds them; what it has opened is closed when it fails
 */
export async function gatherModel(
  config: ModelConfig,
  gather: (weights: GatheredWeights) => Promise<void>,
): Promise<ReloadedModel> {
  const readers = new Map<string, () => Promise<HostWeight>>();
  const opened: { close(): Promise<void> }[] = [];
  const add: GatheredWeights['add'] = (name, read) => {
    if (!readers.has(name)) readers.set(name, read);
  };
  const close = async (): Promise<void> => {
    for (const file of opened.splice(0)) await file.close();
  };
  const addFile: GatheredWeights['addFile'] = async (request) => {
    const file = await openImport(request);
    opened.push(file);
    for (const name of file.report.found) {
      add(name, async () => {
        const tensor = await file.read(name);
        return { shape: tensor.shape, values: toFloat32(tensor) };
      });
    }
  };
  try {
    await gather({ has: (name) => readers.has(name), addFile, add });
  } catch (error) {
    await close();
    throw error;
  }
  return { config, names: new Set(readers.keys()), read: async (name) => readers.get(name)?.(), close };
}

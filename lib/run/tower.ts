/** The vision tower of a run alone, with the weights that the whole model would have. */

import { openImport } from '../checkpoint/import.ts';
import type { RunConfig } from '../config/schema.ts';
import type { ModelConfig } from '../model/config.ts';
import type { Tower } from '../model/minigpt.ts';
import { visionParams } from '../model/params.ts';
import { modelShapes, visionShapes } from '../model/shapes.ts';
import { loadParams, type ParamStore } from '../model/store.ts';
import type { Registry } from './config.ts';
import { modelConfigOf, weightsParts } from './model-config.ts';
import { checkParent, openParent, type Parent } from './parent.ts';
import { publishedRequest } from './published.ts';
import { storageOf } from './storage.ts';
import { type OpenWeights, openedWeights } from './weights.ts';

/**
 * Loads the tower that a run would begin with, frozen, on the engine that is open: from what the run starts from, then from published
 * files, else from its seed. The language model is not read.
 * @returns whoever asked frees the store
 * @throws TristageError E_NO_CHECKPOINT, E_INIT_PARENT, and E_WEIGHT_* for files that do not fit
 */
export async function openTower(config: RunConfig, registry: Registry): Promise<Tower & { store: ParamStore }> {
  const { vision } = config.model;
  const model = modelConfigOf(config);
  const shapes = visionShapes(vision);
  const opened: OpenWeights[] = [];
  const holders = new Map<string, OpenWeights>();
  const take = (weights: OpenWeights): void => {
    opened.push(weights);
    for (const name of weights.names) if (shapes.has(name) && !holders.has(name)) holders.set(name, weights);
  };
  try {
    if (config.init !== undefined) {
      const parent = await openParent(config.init.from, { registry });
      checkParent(config, parent);
      take(await parent.weights.open(modelShapes(withRows(model, parent))));
    }
    for (const { key, shapes: own, optional } of weightsParts(model)) {
      const path = config.model.weights[key];
      const expected = new Map([...own].filter(([name]) => shapes.has(name) && !holders.has(name)));
      if (path === undefined || expected.size === 0) continue;
      const wanted = publishedRequest(model, { path, expected, optional });
      take(openedWeights(await openImport({ ...wanted, dtype: 'F32' })));
    }
    const store = await loadParams({
      shapes,
      trainable: () => false,
      seed: config.train.seed,
      storage: storageOf(config, registry),
      source: async (name) => holders.get(name)?.read(name),
    });
    return { config: { vision }, params: { vision: visionParams(store, vision) }, store };
  } finally {
    for (const { close } of opened) await close();
  }
}

/** The sizes of what a run starts from: a pruned vocabulary has as many rows there as it has pieces. */
function withRows(model: ModelConfig, { pieces }: Parent): ModelConfig {
  return pieces === undefined ? model : { ...model, llm: { ...model.llm, vocabulary: pieces.length } };
}

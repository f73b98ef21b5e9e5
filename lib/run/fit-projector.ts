/** The projector of a run before its first step, fitted to the first images that the run draws (`train.projectorFit`). */

import type { RunConfig } from '../config/schema.ts';
import type { Logger } from '../core/log.ts';
import { imageWords, wordWeights } from '../data/image-words.ts';
import { type LoadedBatch, microBatches } from '../data/loaded-batch.ts';
import { type Tensor, tf } from '../engine/tf.ts';
import { deviceBatch, disposeBatch } from '../model/batch.ts';
import { tokensPerImage } from '../model/config.ts';
import { type MiniGpt, seeImages } from '../model/minigpt.ts';
import { joinNeighbours } from '../model/projector.ts';
import { createProjectorFit, type ProjectorFit, wordTargets } from '../model/projector-fit.ts';
import { PROJECTOR_PREFIX } from '../model/shapes.ts';
import { type OpenData, openLoader } from './data.ts';
import { type RunFeatures, type SeenPart, withSeen } from './feature-cache.ts';

/** Samples whose images go through the tower at once. */
const TOGETHER = 16;

export interface FitRequest {
  config: RunConfig;
  model: MiniGpt;
  data: OpenData;
  features: RunFeatures | undefined;
  logger: Pick<Logger, 'info' | 'warn'>;
}

/** Whether the projector of a run begins with random numbers and is to be fitted. */
export function fitsProjector({ train }: RunConfig, random: ReadonlySet<string>): boolean {
  return train.projectorFit !== undefined && random.has(`${PROJECTOR_PREFIX}weight`);
}

/**
 * Fits the projector to the answers about the first images of the run. It depends on configuration and data alone, and it is not
 * interrupted: a run that is killed before its first checkpoint begins anew and does the same.
 */
export async function fitProjector(request: FitRequest): Promise<void> {
  const { config, model, data, features, logger } = request;
  const { images = 0, ridge = 0 } = config.train.projectorFit ?? {};
  const fit = createProjectorFit();
  const words: Int32Array[] = [];
  // Samples that cannot be used are replaced here as in training, which draws them again and then writes them down.
  const onBadSamples = (): void => undefined;
  const loader = openLoader({ config, model: model.config, data, features: features?.store, onBadSamples });
  try {
    for (let step = 0; words.length < images && step < images; step++) {
      const batch = await loader.batch(step);
      const found = await features?.complete(batch.keyed ?? []);
      const parts = microBatches(batch, TOGETHER);
      for (const part of found === undefined ? parts : withSeen(parts, found))
        words.push(...addPart(fit, part, request));
      loader.recycle(batch);
    }
    if (words.length === 0) {
      logger.warn('projector: no image among the first samples, so nothing to fit it to; it begins at random');
      return;
    }
    const targets = wordTargets(model.params.llama.embedTokens, words, wordWeights(words));
    const solved = fit.solve({ words: targets, ridge }).finally(() => tf.dispose({ ...targets }));
    const { weight, bias, explained } = await solved;
    assign(model, 'weight', weight);
    assign(model, 'bias', bias);
    logger.info(
      `projector: fitted to the words of ${words.length} images; it explains ${(100 * explained).toFixed(1)} % of their variance`,
    );
  } finally {
    fit.dispose();
    await loader.close();
  }
}

/** @returns the words of those of the part's images that have any */
function addPart(
  fit: ProjectorFit,
  part: LoadedBatch & Pick<SeenPart, 'seen'>,
  { model, data }: FitRequest,
): Int32Array[] {
  const words = imageWords(part, tokensPerImage(model.config), data.tokenizer.eosId);
  const places = words.flatMap((ids, place) => (ids.length === 0 ? [] : [place]));
  if (places.length === 0) return [];
  const batch = deviceBatch(part, model.config);
  try {
    tf.tidy(() => {
      const tokens = batch.seen ?? seeImages(model, batch.pixels as Tensor);
      const joined = joinNeighbours(tokens, model.config.join);
      fit.add(tf.gather(joined, tf.tensor1d(places, 'int32')));
    });
    return places.map((place) => words[place] as Int32Array);
  } finally {
    disposeBatch(batch);
  }
}

function assign({ store }: MiniGpt, part: 'weight' | 'bias', values: Float32Array): void {
  const variable = store.get(`${PROJECTOR_PREFIX}${part}`) as ReturnType<typeof tf.variable>;
  tf.tidy(() => variable.assign(tf.tensor(values, variable.shape, 'float32')));
}

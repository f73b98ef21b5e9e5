/**
 * The vision tower alone, with a head that says of each patch what it shows and where that lies. The head exists for training only:
 * what is kept of such a run is the tower.
 */
import { linear } from '../engine/ops/index.ts';
import { type Tensor, tf } from '../engine/tf.ts';
import type { VisionConfig } from '../model/config.ts';
import { type Affine, type VisionParams, visionParams } from '../model/params.ts';
import { type ShapeTable, visionShapes } from '../model/shapes.ts';
import { createParams, type ParamStore, type WeightSource } from '../model/store.ts';
import { evaVit, visualTokens } from '../model/vision/eva-vit.ts';
import { startValues, type VisionStart } from './vision-start.ts';

/** In-memory prefix of the throw-away head. */
export const PATCH_HEAD_PREFIX = 'patch_head.';

/** A tower with its head, on the engine. */
export interface PatchModel {
  config: VisionConfig;
  /** Kinds of object, background not counted. */
  kinds: number;
  /** Owns the weights. */
  store: ParamStore;
  params: VisionParams;
  /** [kinds + 1, D]: background first. */
  classHead: Affine;
  /** [4, D]: corners of the object's box, fractions of the image. */
  boxHead: Affine;
}

/** @returns name -> shape of the tower and of the head for so many kinds of object */
export function patchModelShapes(config: VisionConfig, kinds: number): ShapeTable {
  return new Map([
    ...visionShapes(config),
    [`${PATCH_HEAD_PREFIX}class.weight`, [kinds + 1, config.width]],
    [`${PATCH_HEAD_PREFIX}class.bias`, [kinds + 1]],
    [`${PATCH_HEAD_PREFIX}box.weight`, [4, config.width]],
    [`${PATCH_HEAD_PREFIX}box.bias`, [4]],
  ]);
}

/**
 * Creates a tower whose every weight trains.
 * @param request weights come from `source` where it has them, else from the rule named by `start`
 * @throws TristageError `E_WEIGHT_SHAPE`
 */
export function createPatchModel(request: {
  config: VisionConfig;
  kinds: number;
  seed: number;
  start: VisionStart;
  source?: WeightSource;
}): PatchModel {
  const { config, kinds, seed, start, source } = request;
  const shapes = patchModelShapes(config, kinds);
  const store = createParams({
    shapes,
    seed,
    trainable: () => true,
    source: (name) => source?.(name) ?? startValues({ seed, name, shapes, start }),
  });
  const head = (part: string): Affine => ({
    weight: store.get(`${PATCH_HEAD_PREFIX}${part}.weight`) as Tensor,
    bias: store.get(`${PATCH_HEAD_PREFIX}${part}.bias`) as Tensor,
  });
  return { config, kinds, store, params: visionParams(store, config), classHead: head('class'), boxHead: head('box') };
}

/** What the head says of each patch. The caller disposes both. */
export interface PatchOutputs {
  /** f32[N * P, kinds + 1], background first. */
  logits: Tensor;
  /** f32[N * P, 4] */
  boxes: Tensor;
}

/**
 * Looks at images as the language model will: features after `ln_vision`, cls token dropped.
 * @param pixels f32[N, 3, S, S], normalised
 */
export function patchOutputs(model: PatchModel, pixels: Tensor): PatchOutputs {
  const { config, params, classHead, boxHead } = model;
  const [logits, boxes] = tf.tidy(() => {
    const tokens = visualTokens({ x: evaVit({ pixels, params, config }), params, config });
    const rows = tf.reshape(tokens, [-1, config.width]);
    return [linear(rows, classHead.weight, classHead.bias), linear(rows, boxHead.weight, boxHead.bias)];
  }) as [Tensor, Tensor];
  return { logits, boxes };
}

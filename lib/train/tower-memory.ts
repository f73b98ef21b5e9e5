/** Memory of an update of the stage that trains the vision tower alone, from sizes alone; docs/memory.md writes the sums out. */
import { gridSide, type VisionConfig } from '../model/config.ts';
import { FLOAT, visionMemory } from '../model/memory.ts';
import { valuesIn } from '../model/shapes.ts';
import { type TowerKernels, type TowerMemory, towerMemory } from '../model/tower-memory.ts';
import { COMPOSITE_UPDATE, computeKind, type MemoryEngine, type Moment, type StepMemory } from './memory.ts';
import { PATCH_HEAD_PREFIX, patchModelShapes } from './vision-model.ts';

/** What decides the memory of an update, besides how many images pass at once. */
export interface TowerSettings {
  vision: VisionConfig;
  /** Kinds of object, background not counted. */
  kinds: number;
  engine: MemoryEngine;
  /** Held-out images that pass at once when the tower is measured; 0: it is not. */
  measured: number;
}

/** Numbers of a patch for the box loss that are alive at once: prediction, truth, distance, and what their gradients make. */
const BOX_VALUES = 32;

/**
 * Estimates an update.
 * @param pass `images` of the largest pass, `passes` of the step; from the second on, gradients of the earlier ones lie beside
 */
export function towerStepMemory(
  settings: TowerSettings,
  { images, passes }: { images: number; passes: number },
): StepMemory {
  const { engine } = settings;
  const weights = weightBytes(settings);
  const { gradients } = weights;
  const gathered = passes > 1 ? gradients : 0;
  const tower = towerMemory(settings.vision, { images, kernels: kernelsOf(engine) });
  const moments: Partial<Record<Moment, number>> = {
    // Beside the pixels as they stay: as bytes in integers, and after three of the four steps that normalise them.
    upload: gathered + 5 * tower.pixels,
    forward: gathered + tower.pixels + tower.forward,
    // The normed features, and beside them what the loss makes, or the gradients of the features by both heads and their sum.
    loss: gathered + tower.pixels + tower.saved + tower.wide + Math.max(lossBytes(settings, images), 3 * tower.wide),
    backward: gathered + tower.pixels + backwardBytes(tower, weights),
    update: updateBytes(settings, { ...weights, passes }),
    measure: measureBytes(settings),
  };
  const [fullest, most] = Object.entries(moments).reduce((a, b) => (b[1] > a[1] ? b : a)) as [Moment, number];
  const inPass = fullest === 'forward' || fullest === 'loss' || fullest === 'backward';
  const own = fullest === 'update' ? gradients : fullest === 'measure' ? 0 : gathered;
  const kept = inPass ? tower.saved : 0;
  const batch = inPass || fullest === 'upload' ? tower.pixels : 0;
  const { parameters, optimizer } = weights;
  return {
    parameters: { frozen: 0, trainable: parameters },
    optimizer,
    gradients: own,
    batch,
    activations: kept,
    workspace: most - kept - own - batch,
    fullest,
    peak: parameters + optimizer + most,
  };
}

function kernelsOf({ backend, device }: MemoryEngine): TowerKernels {
  if (backend === 'tensorflow') return 'plain';
  return device === 'cpu' ? 'fused' : 'scores';
}

/** At its beginning everything is kept and few gradients are there; at its end it is the other way round. */
function backwardBytes(tower: TowerMemory, { gradients, early, late, stem }: WeightBytes): number {
  return Math.max(
    tower.saved - 2 * tower.wide + tower.backward + early,
    tower.block + tower.wide + tower.backward + gradients - late,
    // Before the first norm: three gradients in one and two more, their product's input, the block's, and the patches.
    8 * tower.wide + gradients - stem,
    tower.stem + gradients,
  );
}

/** The squares of the gradients' norm, one at a time; what adds up the gradients of passes; the update. */
function updateBytes(
  { engine }: TowerSettings,
  { gradients, largest, passes }: { gradients: number; largest: number; passes: number },
): number {
  const sum = passes > 1 ? 2 * gradients + largest : gradients + largest;
  return Math.max(sum, gradients + (engine.backend === 'tensorflow' ? COMPOSITE_UPDATE * largest : 0));
}

interface WeightBytes {
  parameters: number;
  optimizer: number;
  gradients: number;
  /** The largest weight. */
  largest: number;
  /** Gradients that are there when the backward pass of the last block is at its fullest. */
  early: number;
  /** Those that are not yet there when that of the first block is. */
  late: number;
  /** Of these, those of what lies before the blocks. */
  stem: number;
}

const LAST_PRODUCT = '.mlp.fc2.weight';
const STEM = /\.(cls_token|pos_embed|patch_embed\..*)$/;

function weightBytes({ vision, kinds }: TowerSettings): WeightBytes {
  const bytes = { all: 0, largest: 0, head: 0, stem: 0, first: 0, product: 0 };
  for (const [name, shape] of patchModelShapes(vision, kinds)) {
    const size = FLOAT * valuesIn(shape);
    bytes.all += size;
    bytes.largest = Math.max(bytes.largest, size);
    if (name.startsWith(PATCH_HEAD_PREFIX)) bytes.head += size;
    if (STEM.test(name)) bytes.stem += size;
    if (name.includes('.blocks.0.')) bytes.first += size;
    if (name.includes(`.blocks.0${LAST_PRODUCT}`)) bytes.product = size;
  }
  const { all, largest, head, stem, first, product } = bytes;
  const late = stem + first - product;
  return { parameters: all, optimizer: 2 * all, gradients: all, largest, early: head + product, late, stem };
}

/** Logits and what is made of them, and the same of boxes. */
function lossBytes({ vision, kinds, engine }: TowerSettings, images: number): number {
  const logits = kernelsOf(engine) === 'fused' ? 2 : 7;
  return images * gridSide(vision) ** 2 * FLOAT * (logits * (kinds + 1) + BOX_VALUES);
}

/** Held-out images on their way through the tower, of which nothing is kept. */
function measureBytes({ vision, engine, measured: images }: TowerSettings): number {
  const pixels = images * 3 * vision.imageSize ** 2 * FLOAT;
  return Math.max(5 * pixels, pixels + visionMemory({ vision }, { images, kind: computeKind(engine) }));
}

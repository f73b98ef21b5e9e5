/** The memory of a run as lines for people. */

import type { CardFit, CommonMemory, MemoryPlan } from './memory.ts';
import { size } from './size.ts';
import type { TowerPlan } from './tower-memory.ts';

/** What is taken, by what, and what cards hold. */
export function memoryLines(plan: MemoryPlan | TowerPlan): string[] {
  return 'row' in plan ? textLines(plan) : towerLines(plan);
}

function textLines(plan: MemoryPlan): string[] {
  const { pass, tensors, otherwise, row, cards } = plan;
  const shown = `${pass.rows} rows of ${pass.tokens} tokens, ${pass.images} images, ${pass.supervised} supervised tokens`;
  const known = plan.looked ? 'the fullest pass that was looked at' : 'rows as long as they may be';
  const turned = otherwise - tensors.peak;
  return [
    `${totalOf(plan)}: ${shown} (${known})`,
    tensorsOf(plan),
    `  with train.recompute turned round: ${size(Math.abs(turned))} ${turned < 0 ? 'less' : 'more'}`,
    `cards: rows of ${row.tokens} tokens that one pass may have`,
    ...cardTable(cards),
  ];
}

function towerLines(plan: TowerPlan): string[] {
  const { microBatch, patches, kinds, cards } = plan;
  return [
    `${totalOf(plan)}: ${microBatch} images of ${patches} patches, ${kinds} kinds of object`,
    tensorsOf(plan),
    'cards: images that one pass may have',
    ...cardTable(cards),
  ];
}

function totalOf({ engine, total, microBatch }: CommonMemory): string {
  return `memory: about ${size(total)} at once on ${engine.backend} (${engine.device}) in ${engine.precision}, micro-batch ${microBatch}`;
}

function tensorsOf({ tensors, total }: CommonMemory): string {
  const { parameters, optimizer, gradients, batch, activations, workspace, fullest, peak } = tensors;
  const parts = [
    ...(parameters.frozen > 0 ? [`frozen weights ${size(parameters.frozen)}`] : []),
    `weights that train ${size(parameters.trainable)}`,
    `optimizer ${size(optimizer)}`,
    `gradients ${size(gradients)}`,
    `activations ${size(activations)}`,
    `batch ${size(batch)}`,
    `workspace ${size(workspace)}`,
  ];
  return `  tensors ${size(peak)}, at their fullest in the ${MOMENTS[fullest]}: ${parts.join(', ')}; program and libraries ${size(total - peak)}`;
}

const MOMENTS: Readonly<Record<MemoryPlan['tensors']['fullest'], string>> = {
  upload: 'upload of the pixels',
  vision: 'vision tower',
  forward: 'forward pass',
  loss: 'loss',
  head: 'product with the vocabulary',
  backward: 'backward pass',
  update: 'update',
  measure: 'measuring on held-out images',
};

/** A line for each card, a column for each way to compute. */
function cardTable(cards: readonly CardFit[]): string[] {
  const sizes = [...new Set(cards.map(({ gibibytes }) => gibibytes))];
  return sizes.map((gibibytes) => {
    const own = cards.filter((card) => card.gibibytes === gibibytes);
    return `  ${gibibytes} GB: ${own.map(fitOf).join(', ')}`;
  });
}

function fitOf({ precision, recompute, rows, bytes }: CardFit): string {
  const how = `${precision}${recompute ? ' with recompute' : ''}`;
  return `${how} ${rows === 0 ? `none (one takes ${size(bytes)})` : rows}`;
}

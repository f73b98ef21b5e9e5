/** The memory of a run as lines for people. */

import type { CardFit, MemoryPlan } from './memory.ts';
import { size } from './size.ts';

/** What is taken, by what, and what cards hold. */
export function memoryLines(plan: MemoryPlan): string[] {
  const { engine, pass, tensors, otherwise, total, microBatch, row, cards } = plan;
  const { parameters, optimizer, gradients, batch, activations, workspace, fullest } = tensors;
  const parts = [
    `frozen weights ${size(parameters.frozen)}`,
    `weights that train ${size(parameters.trainable)}`,
    `optimizer ${size(optimizer)}`,
    `gradients ${size(gradients)}`,
    `activations ${size(activations)}`,
    `batch ${size(batch)}`,
    `workspace ${size(workspace)}`,
  ];
  const shown = `${pass.rows} rows of ${pass.tokens} tokens, ${pass.images} images, ${pass.supervised} supervised tokens`;
  const known = plan.looked ? 'the fullest pass that was looked at' : 'rows as long as they may be';
  const turned = otherwise - tensors.peak;
  return [
    `memory: about ${size(total)} at once on ${engine.backend} (${engine.device}) in ${engine.precision}, micro-batch ${microBatch}: ${shown} (${known})`,
    `  tensors ${size(tensors.peak)}, at their fullest in the ${MOMENTS[fullest]}: ${parts.join(', ')}; program and libraries ${size(total - tensors.peak)}`,
    `  with train.recompute turned round: ${size(Math.abs(turned))} ${turned < 0 ? 'less' : 'more'}`,
    `cards: rows of ${row.tokens} tokens that one pass may have`,
    ...cardTable(cards),
  ];
}

const MOMENTS: Readonly<Record<MemoryPlan['tensors']['fullest'], string>> = {
  upload: 'upload of the pixels',
  vision: 'vision tower',
  forward: 'forward pass',
  loss: 'loss',
  head: 'product with the vocabulary',
  backward: 'backward pass',
  update: 'update',
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

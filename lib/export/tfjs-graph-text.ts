/** GRAPH.md: the steps of a model for people. */

import type { GraphSize, GraphStep, GraphTensor, ModelGraph } from './tfjs-graph-steps.ts';

/** The text of GRAPH.md. */
export function graphText({ inputs, outputs, blocks, ops }: ModelGraph): string {
  const lines = [
    '# What to compute with these weights',
    '',
    'Steps over named tensors, in order; a name that comes again is overwritten. B rows of T tokens and N images are free, every other size is the',
    "model's. `{i}` counts the repetitions of a block from 0. graph.json says the same for a program.",
    '',
    '## In',
    '',
    ...inputs.map(tensorLine),
    '',
    '## Out',
    '',
    ...outputs.map(tensorLine),
    '',
    'The next token of a row follows from the logits of its last place. Keys and values of earlier places do not change, so they can be kept.',
  ];
  for (const { title, times, steps } of blocks) {
    lines.push('', `## ${title}${times === 1 ? '' : `, i = 0 to ${times - 1}`}`, '', ...steps.map(stepLine));
  }
  lines.push('', '## Operations', '', ...Object.entries(ops).map(([name, says]) => `- \`${name}\`: ${says}.`));
  return `${lines.join('\n')}\n`;
}

function shapeText(shape: readonly GraphSize[]): string {
  return `[${shape.join(', ')}]`;
}

function tensorLine({ name, dtype, shape, says }: GraphTensor): string {
  return `- \`${name}\` ${dtype}${shapeText(shape)}: ${says}.`;
}

function stepLine({ op, in: inputs, out, shape, weights = {}, with: settings = {} }: GraphStep): string {
  const roles = Object.entries(weights).map(([role, name]) => `${role} \`${name}\``);
  const values = Object.entries(settings).map(([key, value]) => `${key} ${JSON.stringify(value)}`);
  const details = [...roles, ...values].join(', ');
  return `1. ${out.map((name) => `\`${name}\``).join(', ')} ${shapeText(shape)} = ${op}(${inputs.join(', ')})${details === '' ? '' : ` with ${details}`}`;
}

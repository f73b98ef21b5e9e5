/** The smallest run file that is valid with the shipped stages and sources; its data does not exist. */

export const validRun = {
  name: 'contract',
  root: 'no/such/folder',
};

export function formatRun({ name, root }: typeof validRun): string {
  return `version: 1
name: ${name}
stage: stage1-pretrain
model: { preset: tiny }
data: { mixture: { sources: [{ source: coco-caption, root: ${root} }] } }
train: { steps: 4, globalBatch: 2, optimizer: { lr: 1.0e-3 } }
`;
}

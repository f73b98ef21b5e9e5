/**
 * The batch of a step whose loss or gradient was not finite, kept for `tristage replay`: `RUN/dumps/step-N/{batch.json,
 * batch.safetensors}`. The weights are not in it, only the name of the checkpoint before.
 */

import { existsSync, readdirSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { publishDirAtomic } from '../core/atomic.ts';
import { TristageError } from '../core/errors.ts';
import { fromFloat32, fromInt32, type HostTensor, toFloat32, toInt32 } from '../formats/host-tensor.ts';
import { readSafetensors, writeSafetensors } from '../formats/safetensors.ts';
import type { SeenImages } from '../model/batch.ts';
import type { StepBatch } from '../train/step.ts';
import type { SeenPart } from './feature-cache.ts';

const FACTS = 'batch.json';
const TENSORS = 'batch.safetensors';
/** Folder of the dumps within a run folder. */
const DUMPS = 'dumps';

/** One sample of a dumped batch. */
export interface DumpedExample {
  id: string;
  task: string;
  /** Line of the mixture. */
  line?: number | undefined;
}

/** What batch.json says. */
export interface DumpFacts {
  format: 1;
  /** The update that failed; the first is 1. */
  step: number;
  fault: 'loss' | 'gradient';
  seed: number;
  /** Step of the newest checkpoint before; null: the run had none, its weights were those that it began with. */
  checkpoint: number | null;
  /** Updates since that checkpoint which changed the weights. */
  updatesSince: number;
  /** Samples of each pass through the model, in order. */
  parts: DumpedExample[][];
}

/** A dumped batch as the model takes it. */
export interface DumpedPart extends StepBatch {
  examples: readonly DumpedExample[];
}

/**
 * Writes a dump; one of the same step that is there already is replaced.
 * @returns its folder, relative to the run folder
 */
export async function writeDump(
  folder: string,
  facts: Omit<DumpFacts, 'format' | 'parts'>,
  parts: readonly SeenPart[],
): Promise<string> {
  const name = `${DUMPS}/step-${facts.step}`;
  const examples = parts.map((part) => part.examples.map(({ id, task, line }) => ({ id, task, line })));
  const tensors = new Map(parts.flatMap((part, index) => tensorsOf(part, `${index}.`)));
  await publishDirAtomic(join(folder, name), async (temporary) => {
    await writeSafetensors(join(temporary, TENSORS), tensors);
    const text = JSON.stringify({ format: 1, ...facts, parts: examples } satisfies DumpFacts, null, 2);
    await writeFile(join(temporary, FACTS), `${text}\n`);
  });
  return name;
}

function tensorsOf(batch: SeenPart, prefix: string): [string, HostTensor][] {
  const { tokenIds, labels, attentionMask, shape, pixels, pixelShape, seen, positions, blocks, owners } = batch;
  const [images, size] = pixelShape;
  const integers = { tokenIds, labels, positions, owners, groups: blocks?.groups, branches: blocks?.branches };
  const found: [string, HostTensor][] = Object.entries(integers).flatMap(([name, values]) =>
    values === undefined ? [] : [[`${prefix}${name}`, fromInt32(values, [...shape])]],
  );
  found.push([`${prefix}attentionMask`, { dtype: 'U8', shape: [...shape], bytes: attentionMask }]);
  if (seen !== undefined) found.push(...seenTensors(seen, prefix));
  else if (images > 0) found.push([`${prefix}pixels`, { dtype: 'U8', shape: [images, size, size, 3], bytes: pixels }]);
  return found;
}

/** What the tower saw, where features are cached and the batch has no pixels. */
function seenTensors({ tokens, order }: SeenImages, prefix: string): [string, HostTensor][] {
  const [first] = tokens;
  if (first === undefined) return [];
  const values = new Float32Array(tokens.length * first.length);
  for (const [place, one] of tokens.entries()) values.set(one, place * first.length);
  return [
    [`${prefix}seen`, fromFloat32(values, [tokens.length, first.length])],
    [`${prefix}order`, fromInt32(Int32Array.from(order), [order.length])],
  ];
}

function seenOf(seen: HostTensor | undefined, order: Int32Array | undefined): SeenImages | undefined {
  if (seen === undefined || order === undefined) return undefined;
  const [images = 0, size = 0] = seen.shape;
  const values = toFloat32(seen);
  const tokens = Array.from({ length: images }, (_, image) => values.subarray(image * size, (image + 1) * size));
  return { tokens, order };
}

/**
 * Reads a dump.
 * @throws TristageError E_DUMP for a folder that holds none, and those of reading safetensors
 */
export async function readDump(path: string): Promise<{ facts: DumpFacts; parts: DumpedPart[] }> {
  const facts = await readFacts(path);
  const tensors = await readSafetensors(join(path, TENSORS));
  return { facts, parts: facts.parts.map((examples, index) => partOf(path, { tensors, index, examples })) };
}

async function readFacts(path: string): Promise<DumpFacts> {
  try {
    const facts = JSON.parse(await readFile(join(path, FACTS), 'utf8')) as DumpFacts;
    if (facts.format === 1 && Number.isInteger(facts.step) && Array.isArray(facts.parts)) return facts;
  } catch {
    // Falls through to the one error below.
  }
  throw dumpError(path, `no usable ${FACTS}`);
}

function partOf(
  path: string,
  { tensors, index, examples }: { tensors: Map<string, HostTensor>; index: number; examples: DumpedExample[] },
): DumpedPart {
  const find = (name: string): HostTensor | undefined => tensors.get(`${index}.${name}`);
  const need = (name: string): HostTensor => {
    const tensor = find(name);
    if (tensor === undefined) throw dumpError(path, `no ${index}.${name} in ${TENSORS}`);
    return tensor;
  };
  const integers = (name: string): Int32Array | undefined => {
    const tensor = find(name);
    return tensor === undefined ? undefined : toInt32(tensor);
  };
  const [B = 0, T = 0] = need('tokenIds').shape;
  const [groups, branches] = [integers('groups'), integers('branches')];
  return {
    examples,
    tokenIds: toInt32(need('tokenIds')),
    labels: toInt32(need('labels')),
    attentionMask: need('attentionMask').bytes,
    shape: [B, T],
    pixels: find('pixels')?.bytes,
    seen: seenOf(find('seen'), integers('order')),
    positions: integers('positions'),
    owners: integers('owners'),
    ...(groups === undefined || branches === undefined ? {} : { blocks: { groups, branches } }),
  };
}

function dumpError(path: string, found: string): TristageError {
  return new TristageError({
    kind: 'data',
    code: 'E_DUMP',
    message: 'this is not a dumped batch',
    where: path,
    found,
    expected: `a folder RUN/${DUMPS}/step-N that a training run wrote`,
    fix: 'take the folder that the run named when it skipped the step',
  });
}

/** Steps of the checkpoints that the dumps of a run refer to. */
export async function dumpedCheckpoints(folder: string): Promise<Set<number>> {
  const dumps = join(folder, DUMPS);
  const steps = new Set<number>();
  for (const name of existsSync(dumps) ? readdirSync(dumps) : []) {
    const facts = await readFacts(join(dumps, name)).catch(() => undefined);
    if (typeof facts?.checkpoint === 'number') steps.add(facts.checkpoint);
  }
  return steps;
}

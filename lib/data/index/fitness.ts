/**
 * Which rows of an index give samples that are fit to train on. That depends on task and wording, which the index does not: it is
 * found out once for each, by making every sample, and kept in a small file beside the rows.
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../../core/atomic.ts';
import { TristageError } from '../../core/errors.ts';
import { sha256 } from '../../core/hash.ts';
import { knownRow, type RowStore, sampleOfRow } from '../open-rows.ts';
import { createRejections, rejectionNotes } from '../rejections.ts';
import type { RowPlan, SourceRow } from '../rows.ts';
import { checkSample, type Sample } from '../sample.ts';
import { startsWithout } from '../shard-starts.ts';
import { emptySource } from '../source.ts';
import { type RowFault, rejectionSchema } from './manifest.ts';

const schema = z.object({
  format: z.literal(1),
  /** Of the rows that were looked at. */
  rows: z.string(),
  key: z.unknown(),
  rejections: z.array(rejectionSchema),
  /** Numbers of the rows that are left out, ascending. */
  unfit: z.array(z.int().min(0)),
});

/** What was found out for one task and wording. */
export type Fitness = z.output<typeof schema>;

/** Rows between two looks at the signal. */
const STEP_ROWS = 4096;

export interface FitnessRequest {
  dir: string;
  /** Name and version of the program. */
  tool: string;
  signal?: AbortSignal | undefined;
  /** Told before a look that takes more than a moment. */
  info: (message: string) => void;
}

/**
 * Finds out, or reads what was found out before.
 * @throws TristageError E_SOURCE when no row is fit, E_INDEX for a damaged index
 */
export async function fitnessOf(plan: RowPlan, store: RowStore, request: FitnessRequest): Promise<Fitness> {
  const path = join(request.dir, `samples-${sha256(JSON.stringify(plan.sampleKey)).slice(0, 16)}.json`);
  // What counts as fit may change with the program.
  const key = JSON.parse(JSON.stringify([plan.sampleKey, plan.revision, request.tool])) as unknown;
  const known = await readFitness(path);
  if (known?.rows === store.hash && JSON.stringify(known.key) === JSON.stringify(key)) return known;
  if (store.length > STEP_ROWS) request.info(`source ${plan.name}: making each of ${store.length} samples once`);
  const fitness = { format: 1 as const, rows: store.hash, key, ...(await lookAtAll(plan, store, request.signal)) };
  if (fitness.unfit.length === store.length) {
    const notes = rejectionNotes(fitness.rejections);
    throw emptySource(plan.name, { where: plan.root, found: `none of ${store.length} rows gives a sample`, notes });
  }
  // A prepared index may lie where nobody can write; then it is found out again next time.
  await writeFileAtomic(path, `${JSON.stringify(fitness)}\n`).catch(() => undefined);
  return fitness;
}

async function readFitness(path: string): Promise<Fitness | undefined> {
  try {
    return schema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return undefined;
  }
}

async function lookAtAll(
  plan: RowPlan,
  store: RowStore,
  signal?: AbortSignal,
): Promise<Pick<Fitness, 'rejections' | 'unfit'>> {
  const rejections = createRejections();
  const unfit: number[] = [];
  const size = plan.samplesPerImage;
  for (let start = 0; start < store.length; start += size) {
    if (start % STEP_ROWS < size) signal?.throwIfAborted();
    const faults: (RowFault | undefined)[] = [];
    for (let place = 0; place < size; place++) faults.push(sampleFault(plan, await store.row(start + place)));
    const first = faults.find((fault) => fault !== undefined);
    if (first === undefined) continue;
    // Rows of one image stay together: where one is left out, all are.
    for (const [place, fault] of faults.entries()) {
      const { reason, where } = fault ?? { reason: 'another row of its image cannot be used', where: first.where };
      rejections.reject(reason, where);
      unfit.push(start + place);
    }
  }
  return { rejections: rejections.list(), unfit };
}

function sampleFault(plan: RowPlan, row: SourceRow<unknown>): RowFault | undefined {
  try {
    const sample = sampleOfRow(plan, { row: knownRow(row), image: undefined, pick: () => 0 });
    const reason = reasonOf(sample);
    if (reason !== undefined) return { reason, where: row.id };
    checkSample(sample);
    return undefined;
  } catch (error) {
    if (!(error instanceof TristageError && error.kind === 'data')) throw error;
    return { reason: 'unusable sample', where: `${row.id}: ${error.found ?? error.message}` };
  }
}

/** The common faults by name. */
function reasonOf({ turns, boxes = [] }: Sample): string | undefined {
  if (turns.length === 0) return 'no turns';
  if (turns.some(({ question }) => question.trim() === '')) return 'empty question';
  if (turns.some(({ answer }) => answer.trim() === '')) return 'empty answer';
  const outside = boxes.some((box) => !box.every((side) => side >= 0 && side <= 1));
  return outside ? 'box outside the image' : undefined;
}

/** The store without the rows that are not fit; where all are, it is the store itself. */
export function fitRows(store: RowStore, { unfit, rejections }: Fitness): RowStore {
  const all = [...store.rejections, ...rejections];
  if (unfit.length === 0) return { ...store, rejections: all };
  const left = Uint32Array.from(unfit);
  const length = store.length - left.length;
  return {
    length,
    hash: sha256(`${store.hash}\n${unfit.join()}`),
    rejections: all,
    shards: startsWithout(store.shards, { skippedBefore: (row) => lessThan(left, row), length }),
    async row(index) {
      if (!(Number.isInteger(index) && index >= 0 && index < length)) throw new RangeError(`row ${index} of ${length}`);
      return store.row(index + skipped(left, index));
    },
  };
}

/** How many of the ascending numbers are less than a row. */
function lessThan(left: Uint32Array, row: number): number {
  let [low, high] = [0, left.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((left[middle] as number) < row) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How many of the ascending numbers lie before the place that the index-th of the others has. */
function skipped(left: Uint32Array, index: number): number {
  let [low, high] = [0, left.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((left[middle] as number) - middle <= index) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Checks of rows before they enter an index: the image is there and has a header, and a sample can be made that is fit to train on. */

import { basename } from 'node:path';
import { TristageError } from '../../core/errors.ts';
import { readImageSize } from '../image-bytes.ts';
import { imageOfRow, sampleOfRow } from '../open-rows.ts';
import type { RowImage, RowPlan, SourceRow } from '../rows.ts';
import { checkSample, type EncodedImage, type Sample } from '../sample.ts';
import type { EncodedRow } from './arrow-rows.ts';

/** Why a row is left out. */
export interface RowFault {
  reason: string;
  where: string;
}

export interface RowChecks {
  /** The row as it goes into the index, or why it does not. */
  check(row: SourceRow<unknown>): Promise<EncodedRow | RowFault>;
}

export interface CheckOptions {
  /** Decodes an image whole; absent: headers are enough. @throws TristageError E_IMAGE */
  decode?: ((image: EncodedImage) => Promise<unknown>) | undefined;
}

/** Images whose findings are remembered: rows of one image need not be neighbours. */
const REMEMBERED = 100_000;
/** A record beyond this belongs into a file of its own. */
const MAX_RECORD_BYTES = 1 << 20;
/** Aspect ratios may differ by rounding when a copy was resized. */
const SAME_SHAPE = 0.02;

type Finding = { width: number; height: number } | RowFault;

/** Checks for the rows of one source. */
export function createRowChecks(plan: RowPlan, { decode }: CheckOptions): RowChecks {
  const findings = new Map<string, Promise<Finding>>();
  const find = (image: RowImage): Promise<Finding> => {
    const key = 'file' in image ? image.file : `${image.shard}\n${image.offset}`;
    const found = findings.get(key) ?? lookAt(imageOfRow(image, plan.root), decode);
    findings.delete(key);
    findings.set(key, found);
    if (findings.size > REMEMBERED) findings.delete(findings.keys().next().value as string);
    return found;
  };
  return {
    async check(row) {
      const record = JSON.stringify(row.record) as string | undefined;
      if (record === undefined || record.length > MAX_RECORD_BYTES) {
        return { reason: 'record too large', where: `${row.id}: ${record?.length ?? 0} bytes` };
      }
      if (row.image === undefined) return sampleFault(plan, row, record) ?? { id: row.id, record };
      const found = await find(row.image);
      if ('reason' in found) return { ...found, where: `${row.id}: ${found.where}` };
      const stated = row.image;
      const { width = found.width, height = found.height } = stated;
      if (Math.abs(Math.log((width * found.height) / (height * found.width))) > SAME_SHAPE) {
        return {
          reason: 'image of another shape',
          where: `${row.id}: ${found.width}x${found.height}, annotated as ${width}x${height}`,
        };
      }
      const image = { ...stated, width, height };
      return sampleFault(plan, { ...row, image }, record) ?? { id: row.id, image, record };
    },
  };
}

async function lookAt(image: EncodedImage, decode: CheckOptions['decode']): Promise<Finding> {
  try {
    const size = await readImageSize(image);
    await decode?.(image);
    return size;
  } catch (error) {
    if (!(error instanceof TristageError && error.kind === 'data')) throw error;
    const missing = (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
    const where = `${basename(error.where ?? '')}: ${error.found ?? error.message}`;
    return { reason: missing ? 'missing image' : 'unreadable image', where };
  }
}

/** The record goes through its text: a sample must not depend on anything that an index cannot keep. */
function sampleFault(plan: RowPlan, row: SourceRow<unknown>, record: string): RowFault | undefined {
  const { width, height } = row.image ?? {};
  const size = width === undefined || height === undefined ? {} : { width, height };
  const known = { id: row.id, record: JSON.parse(record) as unknown, ...size };
  try {
    const sample = sampleOfRow(plan, { row: known, image: undefined, pick: () => 0 });
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

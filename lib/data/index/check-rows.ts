/** Checks of rows before they enter an index: the image is there, can be read, and has the shape that the annotations speak of. */

import { basename } from 'node:path';
import { TristageError } from '../../core/errors.ts';
import type { ImageSize } from '../boxes.ts';
import { readImageSize } from '../image-bytes.ts';
import { imageOfRow } from '../open-rows.ts';
import type { RowImage, RowPlan, SourceRow } from '../rows.ts';
import type { EncodedImage } from '../sample.ts';
import type { EncodedRow } from './arrow-rows.ts';
import type { RowFault, Verify } from './manifest.ts';

export interface RowChecks {
  /** The row as it goes into the index, or why it does not. */
  check(row: SourceRow<unknown>): EncodedRow | RowFault | Promise<EncodedRow | RowFault>;
}

export interface CheckOptions {
  verify: Verify;
  /** Decodes an image whole; needed by `verify: decode`. @throws TristageError E_IMAGE */
  decode?: ((image: EncodedImage) => Promise<unknown>) | undefined;
}

/** Images whose findings are remembered, the latest ones: rows of one image need not be neighbours. */
const REMEMBERED = 100_000;
/** A record beyond this belongs into a file of its own. */
const MAX_RECORD_BYTES = 1 << 20;
/** Aspect ratios may differ by rounding when a copy was resized. */
const SAME_SHAPE = 0.02;

type Finding = ImageSize | RowFault;

/** Checks for the rows of one source. */
export function createRowChecks(plan: RowPlan, { verify, decode }: CheckOptions): RowChecks {
  const find = findings({ root: plan.root, decode: verify === 'decode' ? decode : undefined });
  const isTrusted = (image: RowImage): boolean => 'shard' in image && verify === 'quick' && !plan.sizes;
  return {
    check(row) {
      const { id, image } = row;
      const record = JSON.stringify(row.record) as string | undefined;
      if (record === undefined || record.length > MAX_RECORD_BYTES) {
        return { reason: 'record too large', where: `${id}: ${record?.length ?? 0} bytes` };
      }
      if (image === undefined) return { id, record };
      if (isTrusted(image)) return { id, image, record };
      const found = find(image);
      const judge = (finding: Finding) => judged({ id, image, record }, finding);
      return found instanceof Promise ? found.then(judge) : judge(found);
    },
  };
}

/** Looks at each image once, as long as it is remembered. */
function findings(look: {
  root: string;
  decode: CheckOptions['decode'];
}): (image: RowImage) => Finding | Promise<Finding> {
  const known = new Map<string, Finding | Promise<Finding>>();
  return (image) => {
    const key = 'file' in image ? image.file : `${image.shard}\n${image.offset}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const looking = lookAt(image, look).then((finding) => {
      known.set(key, finding);
      return finding;
    });
    known.set(key, looking);
    if (known.size > REMEMBERED) known.delete(known.keys().next().value as string);
    return looking;
  };
}

function judged(row: EncodedRow & { image: RowImage }, found: Finding): EncodedRow | RowFault {
  const { id, image } = row;
  if ('reason' in found) return { ...found, where: `${id}: ${found.where}` };
  const { width = found.width, height = found.height } = image;
  if (isSameShape(found, { width, height })) return { ...row, image: { ...image, width, height } };
  const shapes = `${found.width}x${found.height}, annotated as ${width}x${height}`;
  return { reason: 'image of another shape', where: `${id}: ${shapes}` };
}

/** Boxes in pixels may count those of another size of the same picture, not those of another picture. */
function isSameShape(found: ImageSize, stated: ImageSize): boolean {
  const whole = Number.isInteger(stated.width) && Number.isInteger(stated.height);
  if (!(whole && stated.width > 0 && stated.height > 0)) return false;
  return Math.abs(Math.log((stated.width * found.height) / (stated.height * found.width))) <= SAME_SHAPE;
}

async function lookAt(
  stated: RowImage,
  { root, decode }: { root: string; decode: CheckOptions['decode'] },
): Promise<Finding> {
  try {
    const image = await imageOfRow(stated, root);
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

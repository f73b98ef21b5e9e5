/** A box as a person types it: four numbers with commas, in pixels or in fractions of the image. */

import { TristageError } from '../core/errors.ts';
import { type Box, fromPixels, type ImageSize, type PixelBox, parseBox } from './boxes.ts';

/** What was typed. Fractions are known at once, pixels only with an image. */
export interface TypedBox {
  readonly unit: 'pixels' | 'fractions';
  /** x1, y1, x2, y2 */
  readonly corners: PixelBox;
}

const NUMBER = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i;
const FORMS = 'x1,y1,x2,y2 in pixels (10,20,200,150) or in fractions of the image (0.1,0.2,0.5,0.9)';

/**
 * Reads a box. Four numbers that are all at most 1 are fractions; as soon as one is larger, all are pixels, and then a number
 * between 0 and 1 is refused, because it shows that the two were mixed. The form of the answers, `{<10><20><50><90>}`, is read too.
 * @throws TristageError E_BOX_ARGUMENT for anything but four such numbers in the order left, top, right, bottom
 */
export function parseTypedBox(text: string): TypedBox {
  const answered = parseBox(text);
  if (answered !== undefined) return checkOrder({ unit: 'fractions', corners: answered }, text);
  const parts = text.split(',').map((part) => part.trim());
  if (parts.length !== 4) throw badBox(`${parts.length} numbers: ${text}`, FORMS);
  const wrong = parts.find((part) => !NUMBER.test(part));
  if (wrong !== undefined) throw badBox(wrong === '' ? `an empty number in ${text}` : `${wrong} in ${text}`, FORMS);
  const corners = parts.map(Number) as [number, number, number, number];
  if (Math.min(...corners) < 0) throw badBox(text, 'no number below 0: the origin is the top left corner');
  if (Math.max(...corners) <= 1) return checkOrder({ unit: 'fractions', corners }, text);
  if (corners.some((value) => value > 0 && value < 1)) {
    throw badBox(`${text}: some numbers are fractions, some are pixels`, FORMS);
  }
  return checkOrder({ unit: 'pixels', corners }, text);
}

function checkOrder(box: TypedBox, text: string): TypedBox {
  const [x1, y1, x2, y2] = box.corners;
  if (x1 < x2 && y1 < y2) return box;
  throw badBox(text, 'x1 < x2 and y1 < y2: left, top, right, bottom');
}

/**
 * The typed box as fractions of one image.
 * @throws TristageError E_BOX_ARGUMENT for pixels outside the image, naming its size
 */
export function boxOnImage({ unit, corners }: TypedBox, image: ImageSize & { name: string }): Box {
  if (unit === 'fractions') return corners;
  const { width, height, name } = image;
  if (corners[2] > width || corners[3] > height) {
    throw badBox(corners.join(','), `pixels within the ${width} x ${height} of the image, or fractions`, name);
  }
  return fromPixels(corners, image);
}

function badBox(found: string, expected: string, where?: string): TristageError {
  const place = where === undefined ? {} : { where };
  return new TristageError({
    kind: 'usage',
    code: 'E_BOX_ARGUMENT',
    message: '--box is no box',
    found,
    expected,
    ...place,
  });
}

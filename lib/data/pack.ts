/**
 * Packing: questions about one image become branches behind one shared visual prefix, and several such groups share a row. A token
 * sees its group's prefix and its own branch, at the positions it would have alone, so the loss of every token stays what it was
 * while the image passes through the models once.
 */

import { attends, type Group, type Member, splitGroup } from './pack-groups.ts';
import { fillRows } from './pack-rows.ts';
import { badPack, NO_OWNER, type PackedRow } from './packed-batch.ts';
import { type Example, IGNORE, IMAGE_SLOT, type ImageRef } from './sample.ts';

export interface PackOptions {
  /** Most tokens of a row, visual ones included. */
  maxTokens: number;
  /** Visual tokens of one image. */
  imageTokens: number;
}

export interface Packing {
  readonly rows: readonly PackedRow[];
  /** Examples that do not fit into a row even alone; they are in no row, and what becomes of them is the caller's part. */
  readonly overlong: readonly Example[];
  /** Share of the rows' `maxTokens` places that hold a token; 1 where there are no rows. */
  readonly fill: number;
  /** Tokens that sharing prefixes saved. */
  readonly savedTokens: number;
}

/**
 * Packs examples into rows. Examples of the same image objects come behind one prefix; a group that is longer than a row becomes
 * several, each with its own prefix. Groups go into rows longest first, each into the fullest row that has room; where that leaves
 * a row too many, a few groups more are parted. No example is cut.
 * The result depends on the examples and their order only.
 * @throws TristageError E_PACK for an example whose slots are not whole images, or whose first token is supervised
 */
export function packExamples(examples: readonly Example[], options: PackOptions): Packing {
  const { maxTokens } = options;
  for (const example of examples) checkExample(example, options);
  const fitting = examples.filter(({ tokenIds }) => tokenIds.length <= maxTokens);
  const groups = groupByImages(fitting).flatMap((members) => splitGroup(members, maxTokens));
  const filled = fillRows(groups, maxTokens);
  const rows = filled.map(buildRow);
  const used = filled.flat().reduce((sum, { length }) => sum + length, 0);
  const alone = fitting.reduce((sum, { tokenIds }) => sum + tokenIds.length, 0);
  return {
    rows,
    overlong: examples.filter(({ tokenIds }) => tokenIds.length > maxTokens),
    fill: rows.length === 0 ? 1 : used / (rows.length * maxTokens),
    savedTokens: alone - used,
  };
}

function checkExample(example: Example, { imageTokens }: PackOptions): void {
  const slots = example.tokenIds.reduce((count, id) => count + (id === IMAGE_SLOT ? 1 : 0), 0);
  const expected = example.images.length * imageTokens;
  if (slots !== expected) {
    throw badPack(`${slots} image slots`, `${expected} for ${example.images.length} images`, example.id);
  }
  // In a row of its own the first token is never predicted; behind another group it would be, and from a stranger's text.
  if ((example.labels[0] ?? IGNORE) >= 0)
    throw badPack('a supervised first token', 'an example that begins with BOS', example.id);
}

/** Examples of the same images in the same order, groups in the order in which they begin; text stays alone. */
function groupByImages(examples: readonly Example[]): Member[][] {
  const numbers = new Map<ImageRef, number>();
  const numberOf = (image: ImageRef): number => {
    const number = numbers.get(image) ?? numbers.size;
    numbers.set(image, number);
    return number;
  };
  const groups = new Map<string, Member[]>();
  for (const [place, example] of examples.entries()) {
    const key = example.images.length === 0 ? `text ${place}` : example.images.map(numberOf).join(' ');
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [{ example, place }]);
    else group.push({ example, place });
  }
  return [...groups.values()];
}

function buildRow(groups: readonly Group[]): PackedRow {
  const length = groups.reduce((sum, group) => sum + group.length, 0);
  const array = (): Int32Array => new Int32Array(length);
  const row = {
    tokenIds: array(),
    labels: array().fill(IGNORE),
    positions: array(),
    groups: array(),
    branches: array(),
    owners: array().fill(NO_OWNER),
    attention: new Uint8Array(length),
    examples: groups.flatMap(({ members }) => members.map(({ example }) => example)),
    images: [] as ImageRef[],
  };
  let at = 0;
  let owner = 0;
  const append = (example: Example, part: { from: number; to: number; group: number; branch: number }): void => {
    const { from, to, group, branch } = part;
    for (let place = from; place < to; place++, at++) {
      row.tokenIds[at] = example.tokenIds[place] as number;
      row.labels[at] = example.labels[place] as number;
      row.positions[at] = place;
      row.groups[at] = group;
      row.branches[at] = branch;
      row.attention[at] = attends(example, place);
      if (branch > 0) row.owners[at] = owner;
    }
  };
  for (const [group, { members, prefix }] of groups.entries()) {
    const examples = members.map(({ example }) => example);
    append(examples[0] as Example, { from: 0, to: prefix, group, branch: 0 });
    const shared = imagesWithin(examples[0] as Example, prefix);
    row.images.push(...(examples[0] as Example).images.slice(0, shared));
    for (const [index, example] of examples.entries()) {
      append(example, { from: prefix, to: example.tokenIds.length, group, branch: index + 1 });
      row.images.push(...example.images.slice(shared));
      owner += 1;
    }
  }
  return row;
}

/** How many images stand in the first tokens of an example; images there are whole. */
function imagesWithin({ tokenIds, images }: Example, prefix: number): number {
  const slots = (end: number): number => tokenIds.subarray(0, end).filter((id) => id === IMAGE_SLOT).length;
  return images.length === 0 ? 0 : Math.round((slots(prefix) * images.length) / slots(tokenIds.length));
}

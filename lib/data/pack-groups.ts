/** Examples behind one prefix, and how such a group is cut in two. */

import { type Example, IMAGE_SLOT } from './sample.ts';

/** An example and its place in the input. */
export interface Member {
  example: Example;
  place: number;
}

/** Examples that stand behind one prefix, in the order of the input. */
export interface Group {
  members: readonly Member[];
  /** Tokens of the prefix; 0 for a single example. */
  prefix: number;
  /** Tokens of the whole group. */
  length: number;
}

/** One group, or several where one would be longer than a row: each but the last as long as its examples allow. */
export function splitGroup(members: readonly Member[], maxTokens: number): Group[] {
  const groups: Group[] = [];
  let rest: Group | undefined = groupOf(members);
  while (rest !== undefined) {
    const [some, more]: Cut = rest.length <= maxTokens ? [rest] : cut(rest, maxTokens);
    if (some !== undefined) groups.push(some);
    rest = more;
  }
  return groups;
}

type Cut = readonly [some?: Group | undefined, rest?: Group | undefined];

/** As many tokens of a group as fit into the room, in whole examples, and the others; nothing where not one fits. */
export function cut({ members, prefix }: Group, room: number): Cut {
  const sizes = members.map(({ example }) => example.tokenIds.length - prefix);
  const chosen = fullest(sizes, room - prefix);
  if (chosen.size === 0) return [];
  const parts = [true, false].map((wanted) => members.filter((_, place) => chosen.has(place) === wanted));
  const [some, rest] = parts.map((part) => (part.length === 0 ? undefined : groupOf(part)));
  return [some, rest];
}

/**
 * The places whose sizes have the largest sum that is no more than the room; of several such choices one of earlier places.
 */
export function fullest(sizes: readonly number[], room: number): Set<number> {
  if (room <= 0) return new Set();
  /** For each sum that was reached, the last place in it. */
  const last = new Int32Array(room + 1).fill(-1);
  const reached = new Uint8Array(room + 1);
  reached[0] = 1;
  let best = 0;
  for (const [place, size] of sizes.entries()) {
    for (let sum = room; sum >= size; sum--) {
      if (reached[sum] === 1 || reached[sum - size] !== 1) continue;
      reached[sum] = 1;
      last[sum] = place;
      best = Math.max(best, sum);
    }
  }
  const chosen = new Set<number>();
  for (let sum = best; sum > 0; ) {
    const place = last[sum] as number;
    chosen.add(place);
    sum -= sizes[place] as number;
  }
  return chosen;
}

function groupOf(members: readonly Member[]): Group {
  const prefix = members.length === 1 ? 0 : sharedPrefix(members.map(({ example }) => example));
  const length = members.reduce((sum, { example }) => sum + example.tokenIds.length - prefix, prefix);
  return { members, prefix, length };
}

/** Place of its first example in the input. */
export function placeOf({ members }: Group): number {
  return (members[0] as Member).place;
}

/**
 * How many tokens the examples share at their beginning. Every branch keeps the token that predicts its first supervised one, or else
 * that one would be predicted from the end of the branch before; and an image is never cut.
 */
function sharedPrefix(examples: readonly Example[]): number {
  const [first, ...others] = examples as [Example, ...Example[]];
  let prefix = Math.min(...examples.map(lastShareable));
  for (const other of others) {
    let same = 0;
    while (
      same < prefix &&
      other.tokenIds[same] === first.tokenIds[same] &&
      attends(other, same) === attends(first, same)
    ) {
      same += 1;
    }
    prefix = same;
  }
  const inside = (place: number): boolean => examples.some(({ tokenIds }) => tokenIds[place] === IMAGE_SLOT);
  while (prefix > 0 && inside(prefix - 1) && inside(prefix)) prefix -= 1;
  return prefix;
}

/** The most tokens of an example that may be in a prefix. */
function lastShareable({ labels, tokenIds }: Example): number {
  const supervised = labels.findIndex((label) => label >= 0);
  return supervised < 0 ? tokenIds.length : supervised - 1;
}

/** 0 where an example switches attention off. */
export function attends({ attention }: Example, place: number): number {
  return attention === undefined ? 1 : (attention[place] as number);
}

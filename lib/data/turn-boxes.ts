/** The boxes that questions and answers name, each with the phrase that it belongs to. */

import { type Box, parseBoxes, parsePhrases } from './boxes.ts';
import type { Turn } from './sample.ts';
import { contentOfInstruction } from './task.ts';

/** A box as a text says it. */
export interface NamedBox {
  /** What it is called; empty where nothing says so. */
  readonly phrase: string;
  readonly box: Box;
  /** Whether it is asked about, or answered. */
  readonly in: 'question' | 'answer';
}

/** Longest other side of a turn that passes for the name of a box. */
const LONGEST_NAME = 120;

/**
 * Boxes in the order in which they stand. One that follows a `<p>phrase</p>` is called by it, any other by the other side of its
 * turn: what was asked for, or what was answered.
 */
export function boxesOfTurns(turns: readonly Turn[]): NamedBox[] {
  return turns.flatMap(({ question, answer }) => [
    ...boxesOf(question, { in: 'question', other: answer }),
    ...boxesOf(answer, { in: 'answer', other: contentOfInstruction(question) }),
  ]);
}

function boxesOf(text: string, { in: side, other }: { in: NamedBox['in']; other: string }): NamedBox[] {
  const phrased = parsePhrases(text).flatMap(({ phrase, boxes }) => boxes.map((box) => ({ phrase, box, in: side })));
  const left = phrased.map(({ box }) => box.join());
  const bare = parseBoxes(text).filter((box) => {
    const known = left.indexOf(box.join());
    if (known >= 0) left.splice(known, 1);
    return known < 0;
  });
  const named = other.length <= LONGEST_NAME && parseBoxes(other).length === 0;
  const phrase = named ? other.trim() : '';
  return [...phrased, ...bare.map((box) => ({ phrase, box, in: side }))];
}

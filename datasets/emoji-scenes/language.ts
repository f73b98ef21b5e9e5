/** Words for scenes: names, captions and expressions that point at one object. */

import type { Scene, SceneThing } from './scene.ts';

const NUMBERS = ['no', 'one', 'two', 'three', 'four', 'five', 'six'] as const;

/** `a dog`, `an apple`. */
export function withArticle(name: string): string {
  return `${/^[aeiou]/.test(name) ? 'an' : 'a'} ${name}`;
}

/** Objects from left to right, as captions and lists name them. */
export function leftToRight(objects: readonly SceneThing[]): SceneThing[] {
  return [...objects].sort((one, other) => one.box[0] - other.box[0] || one.box[1] - other.box[1]);
}

/** Objects of one kind. */
export interface Group {
  readonly name: string;
  /** From left to right. */
  readonly things: readonly SceneThing[];
}

/** The kinds of a scene in the order of their leftmost objects. */
export function groupsOf(scene: Pick<Scene, 'objects'>): Group[] {
  const groups = new Map<string, SceneThing[]>();
  for (const thing of leftToRight(scene.objects)) groups.set(thing.name, [...(groups.get(thing.name) ?? []), thing]);
  return [...groups].map(([name, things]) => ({ name, things }));
}

/** `a dog`, `two dogs`. */
export function countedName({ name, things }: { name: string; things: readonly { plural: string }[] }): string {
  if (things.length === 1) return withArticle(name);
  return `${NUMBERS[things.length] ?? things.length} ${things[0]?.plural}`;
}

/** `a, b and c`. */
export function joinList(items: readonly string[]): string {
  if (items.length < 2) return items.join('');
  return `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
}

/** `two dogs and an apple on a blue background`. */
export function captionOf(scene: Scene): string {
  return `${joinList(groupsOf(scene).map(countedName))} on ${withArticle(scene.background)} background`;
}

/** Centre of a box. */
export function centreOf({ box }: Pick<SceneThing, 'box'>): { x: number; y: number } {
  return { x: (box[0] + box[2]) / 2, y: (box[1] + box[3]) / 2 };
}

/** Centres nearer than this, as a part of the image's side, are neither left nor right of each other. */
export const CLEARLY_APART = 0.1;

/**
 * An expression that fits this object and no other of the scene: its name where that is the only one, else `left dog`,
 * `right dog`, `upper dog` or `lower dog`.
 * @returns undefined when nothing of the kind tells it apart
 */
export function expressionOf(scene: Pick<Scene, 'objects'>, thing: SceneThing): string | undefined {
  const rivals = scene.objects.filter((other) => other !== thing && other.name === thing.name);
  if (rivals.length === 0) return thing.name;
  const here = centreOf(thing);
  const apart = rivals.map(centreOf).map(({ x, y }) => ({ right: here.x - x, down: here.y - y }));
  const sides: readonly [word: string, is: (by: { right: number; down: number }) => boolean][] = [
    ['left', ({ right }) => right < -CLEARLY_APART],
    ['right', ({ right }) => right > CLEARLY_APART],
    ['upper', ({ down }) => down < -CLEARLY_APART],
    ['lower', ({ down }) => down > CLEARLY_APART],
  ];
  const side = sides.find(([, is]) => apart.every(is));
  return side === undefined ? undefined : `${side[0]} ${thing.name}`;
}

/** Short questions about a scene with their answers; a question is asked only where one answer is clearly right. */

import type { Pick as Draw } from '../../lib/data/task.ts';
import { CLEARLY_APART, centreOf, groupsOf, withArticle } from './language.ts';
import type { Scene, SceneThing } from './scene.ts';

/** Kinds of question, in the words of the metrics. */
export const QUESTION_TYPES = ['count', 'how-many', 'colour', 'where', 'relation', 'exists'] as const;
export type QuestionType = (typeof QUESTION_TYPES)[number];

/** What is asked and answered. */
export interface Asked {
  readonly type: QuestionType;
  readonly question: string;
  readonly answer: string;
}

/** What a question is made from. */
export interface AskAbout {
  readonly scene: Scene;
  /** All kinds that could be in a scene, for questions about absent ones. */
  readonly kinds: readonly { readonly name: string; readonly plural: string }[];
  /** Draws what is asked. */
  readonly draw: Draw;
  /** Takes the items of a list in turn: neighbouring numbers ask different things. */
  readonly place: number;
}

/** Centres nearer than this to a middle line lie in neither half. */
const CLEARLY_IN_HALF = 0.05;

type Asker = (about: AskAbout) => Omit<Asked, 'type'> | undefined;

const ASKERS: Readonly<Record<QuestionType, Asker>> = {
  count: ({ scene }) => ({ question: 'how many objects are there?', answer: String(scene.objects.length) }),
  'how-many': howMany,
  colour: ({ scene }) => ({ question: 'what colour is the background?', answer: scene.background }),
  where: askWhere,
  relation: askRelation,
  exists: askExists,
};

/**
 * A question of the wanted type, or of another where the scene allows none of it.
 * @param wanted types in turn when undefined
 */
export function askQuestion(about: AskAbout, wanted?: QuestionType): Asked {
  const types = QUESTION_TYPES.map((_, step) => inTurn(QUESTION_TYPES, about.place + step));
  for (const type of wanted === undefined ? types : [wanted, ...types]) {
    const asked = ASKERS[type](about);
    if (asked !== undefined) return { type, ...asked };
  }
  throw new RangeError('a scene about which nothing can be asked');
}

/** About a kind that stands there, twice if one does: whether a kind is there at all is asked by `exists`. */
function howMany({ scene, draw }: AskAbout): Omit<Asked, 'type'> {
  const groups = groupsOf(scene);
  const several = groups.filter(({ things }) => things.length > 1);
  const { things } = pickOf(several.length > 0 ? several : groups, draw);
  const [{ plural }] = things as [SceneThing];
  return { question: `how many ${plural} are there?`, answer: String(things.length) };
}

/** Yes and no equally often. */
function askExists({ scene, kinds, draw }: AskAbout): Omit<Asked, 'type'> {
  const absent = absentKinds(scene, kinds);
  const present = draw(2) === 0 || absent.length === 0;
  const { name } = present ? pickOf(scene.objects, draw) : pickOf(absent, draw);
  return { question: `is there ${withArticle(name)}?`, answer: present ? 'yes' : 'no' };
}

/** The quarter of the image in which an object's centre lies. */
function askWhere({ scene, place }: AskAbout): Omit<Asked, 'type'> | undefined {
  const clear = onlyOnes(scene).filter((thing) => {
    const { x, y } = centreOf(thing);
    return Math.abs(x - 0.5) > CLEARLY_IN_HALF && Math.abs(y - 0.5) > CLEARLY_IN_HALF;
  });
  if (clear.length === 0) return undefined;
  const thing = inTurn(clear, place);
  const { x, y } = centreOf(thing);
  const answer = `${y < 0.5 ? 'top' : 'bottom'} ${x < 0.5 ? 'left' : 'right'}`;
  return { question: `where is the ${thing.name}?`, answer };
}

/** What one object can be to another, with its distance in that direction. */
export const DIRECTIONS = [
  { words: 'to the left of', by: (from: SceneThing, to: SceneThing) => centreOf(from).x - centreOf(to).x },
  { words: 'to the right of', by: (from: SceneThing, to: SceneThing) => centreOf(to).x - centreOf(from).x },
  { words: 'above', by: (from: SceneThing, to: SceneThing) => centreOf(from).y - centreOf(to).y },
  { words: 'below', by: (from: SceneThing, to: SceneThing) => centreOf(to).y - centreOf(from).y },
] as const;

/** What lies on one side of an object, where exactly one does and every other is not even a little on that side. */
function askRelation({ scene, place }: AskAbout): Omit<Asked, 'type'> | undefined {
  const possible: Omit<Asked, 'type'>[] = [];
  for (const anchor of onlyOnes(scene)) {
    const others = scene.objects.filter((other) => other !== anchor);
    for (const { words, by } of DIRECTIONS) {
      const onSide = others.filter((other) => by(anchor, other) > 0);
      const [found] = onSide;
      if (onSide.length !== 1 || found === undefined || by(anchor, found) <= CLEARLY_APART) continue;
      possible.push({ question: `what is ${words} the ${anchor.name}?`, answer: found.name });
    }
  }
  return possible.length === 0 ? undefined : inTurn(possible, place);
}

function absentKinds(scene: Scene, kinds: AskAbout['kinds']): AskAbout['kinds'] {
  return kinds.filter(({ name }) => scene.objects.every((thing) => thing.name !== name));
}

/** Objects whose kind no other object of the scene shares. */
function onlyOnes(scene: Scene): SceneThing[] {
  return groupsOf(scene).flatMap(({ things }) => (things.length === 1 ? things : []));
}

/** The item at a place of an endless repetition of the list. */
export function inTurn<T>(items: readonly T[], place: number): T {
  return items[place % items.length] as T;
}

function pickOf<T>(items: readonly T[], draw: Draw): T {
  return items[draw(items.length)] as T;
}

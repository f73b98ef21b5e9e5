/** The language of emoji-scenes: everything that its questions and answers are put together from. */

import { drawInstruction, evaluationInstruction, isIdentified, TASKS, templatePool } from '../../lib/data/task.ts';
import type { Kind } from './kinds.ts';
import { countedName, withArticle } from './language.ts';
import { COLOURS } from './scene.ts';
import { OPENINGS } from './turns.ts';
import { DIRECTIONS } from './visual-questions.ts';

/** The most objects of a scene. */
const MOST_OBJECTS = 6;
const ANSWERS = ['yes', 'no', 'top left', 'top right', 'bottom left', 'bottom right', '0 1 2 3 4 5 6', 'a, b and c'];

/**
 * Fragments of all texts about scenes of some kinds of object, cut at spaces: every word of a text stands in one of them with the
 * punctuation that it has there. Boxes are left out; they have their own words.
 */
export function* emojiTexts(kinds: readonly Pick<Kind, 'name' | 'plural'>[]): Iterable<string> {
  yield* ANSWERS;
  yield* OPENINGS;
  yield 'how many objects are there?';
  yield 'what colour is the background?';
  for (const { name } of COLOURS) yield `on ${withArticle(name)} background ${name}`;
  for (const kind of kinds) {
    for (const phrase of phrasesOf(kind)) {
      yield phrase;
      yield* TASKS.filter(isIdentified).flatMap((task) => [
        ...templatePool(task).map((_, place) => drawInstruction(task, phrase, () => place)),
        evaluationInstruction(task, phrase),
      ]);
    }
    yield* questionsAbout(kind);
  }
}

function phrasesOf(kind: Pick<Kind, 'name' | 'plural'>): string[] {
  const counted = Array.from({ length: MOST_OBJECTS }, (_, more) =>
    countedName({ name: kind.name, things: Array.from({ length: more + 1 }, () => kind) }),
  );
  const single = [kind.name, withArticle(kind.name), `another ${kind.name}`];
  return [
    ...counted.flatMap((phrase) => [phrase, `${phrase}, and`]),
    ...single.map((phrase) => `<p>${phrase}</p> {`),
    ...['left', 'right', 'upper', 'lower'].map((side) => `${side} ${kind.name}`),
    kind.name,
  ];
}

function questionsAbout({ name, plural }: Pick<Kind, 'name' | 'plural'>): string[] {
  return [
    `how many ${plural} are there?`,
    `is there ${withArticle(name)}?`,
    `where is the ${name}?`,
    ...DIRECTIONS.map(({ words }) => `what is ${words} the ${name}?`),
  ];
}

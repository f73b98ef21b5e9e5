import { captioned, writeWebTars } from './web-tars.ts';

/** Alt texts as Conceptual Captions cleans them: names become kinds, words stand apart. */
export function makeCc3m(dir: string): Promise<void> {
  return writeWebTars(
    dir,
    captioned([
      'actor attends the premiere of film .',
      'blocks on a table in the 3 . 5 m long hall',
      'a view of the harbour',
      'person holding a cup',
      'pattern of small blocks',
      'a red block beside a blue one',
    ]),
  );
}

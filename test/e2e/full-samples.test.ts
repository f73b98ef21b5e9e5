/**
 * What each line of the full-size configurations says to the model: the whole text of its first sample, first wording of each pool,
 * written here by the rules of the original for the miniature's files.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { registry } from '../../bin/registry.ts';
import { encodeSample, promptTurns } from '../../lib/data/encode.ts';
import { IGNORE, type Sample } from '../../lib/data/sample.ts';
import { llama2Tokenizer } from '../../lib/data/tokenizer.ts';
import { openSourceLine, partLine } from '../../lib/run/open-source.ts';
import { makeAll } from '../data/make/all.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { miniGpt } from './full-size.ts';

const folder = temporaryFolder('tristage-samples-');
const first = (): number => 0;

const ask = (question: string, answer: string): string =>
  `<s>[INST] <Img><ImageHere></Img> ${question} [/INST]${answer}</s>`;
const askOn = (question: string, answer: string): string => `<s>[INST] ${question} [/INST]${answer}</s>`;
/** The pool of captions is the project's own; the original's has other words for the same. */
const caption = (answer: string): string => ask('[caption] Describe this photo in one short sentence.', answer);

/** A red square at (4, 6) to (26, 28) of 96 x 72, in hundredths, cut off; a blue disc stands beside it. */
const SQUARE = '{<4><8><27><38>}';
const MAN = '<p>A man</p> {<0><0><50><50>}';
const HAT = '<p>a red hat</p> {<10><50><30><100>}';
const CUP = '<p>a cup</p> {<30><50><50><75>}';
const WOMEN = '<p>two women</p> {<50><0><75><100>}<delim>{<75><0><100><100>}';
const FRIEND = '<p>his friend</p> {<0><0><50><50>}';

/** Of stages 1 and 2. */
const TASKS = [
  caption('a red square stands to the left of a blue disc'),
  // TextCaps keeps times and prices.
  caption('a sign reads open till 10:15 beside a red square'),
  ask('[refer] the red square', SQUARE),
  ask('[refer] the red square', SQUARE),
  ask('[refer] the red square', SQUARE),
  ask('[refer] the red square on the left', SQUARE),
  ask(`[identify] ${SQUARE}`, 'the red square'),
  ask(`[identify] ${SQUARE}`, 'the red square'),
  ask(`[identify] ${SQUARE}`, 'the red square'),
  ask('[vqa] what colour is the disc?', 'blue'),
  ask('[vqa] what colour is the disc?', 'blue'),
  ask('[vqa] what colour is the disc?', 'blue'),
  ask('[vqa] what is to the right of the square?', 'disc'),
  ask('[vqa] who wrote this book?', 'dr a blue'),
];

const [CAPTION, TEXTCAPS, REFCOCO, REFCOCOP, REFCOCOG, REFVG, ...REST] = TASKS as [
  string,
  string,
  string,
  string,
  string,
  string,
  ...string[],
];

const EXPECTED: Readonly<Record<1 | 2 | 3, readonly string[]>> = {
  1: [
    caption('blue block - wooden toy, 12 cm'),
    caption('actor attends the premiere of film'),
    caption('my blocks in the garden at 10 15'),
    ask('[refer] a red block beside a blue cup', '{<0><0><40><90>}'),
    ask('[identify] {<0><0><40><90>}', 'a red block beside a blue cup'),
    ask(
      '[grounding] please describe this image in detail',
      '<p>a red block</p> {<0><0><40><90>} beside <p>a blue cup</p> {<50><25><100><75>} on the floor',
    ),
    ...TASKS,
  ],
  2: TASKS,
  3: [
    ask(
      '[grounding] describe this image in detail',
      '<p>a red block</p> {<0><10><40><60>} beside <p>a blue one</p> {<50><10><90><60>}',
    ) + askOn('[refer] where is the red block ?', '{<0><10><40><60>}'),
    ask('How many blocks are there?', 'There are three.') + askOn('Do they touch?', 'No.'),
    askOn('Count the words of "Sentence 0".', 'There are 2.0 words; see f(x) = x * 0.'),
    REFVG,
    ask('Describe the following image.', 'The picture shows 3 blocks. They lie at 10:15, 3.5 cm apart.'),
    ask('Why might the blocks lie there?', 'Someone may have dropped them.'),
    ask(
      '[grounding] please describe this image in detail',
      `${MAN} in ${HAT} with ${CUP} stands by ${WOMEN}, ${FRIEND} near a lake.`,
    ),
    ask(
      '[detection] A man in a red hat with a cup stands by two women, his friend near a lake.',
      `${MAN} ${HAT} ${CUP} ${WOMEN} ${FRIEND}`,
    ),
    ask('[detection] a man', '<p>a man</p> {<0><0><50><50>}'),
    CAPTION,
    TEXTCAPS,
    REFCOCO,
    REFCOCOP,
    REFCOCOG,
    ...REST,
  ],
};

/** The first sample of each line. */
async function firstSamples(stage: 1 | 2 | 3): Promise<Sample[]> {
  const { sources } = miniGpt(stage).config.data.mixture;
  return Promise.all(
    sources.map(async (config) => {
      const { line } = partLine(config);
      const root = join(folder, line.root);
      const context = { registry, cache: join(folder, 'index'), info: () => undefined };
      return (await openSourceLine({ ...line, root }, context)).get(0, first);
    }),
  );
}

/** Prompts and answers as they follow one another. */
function textOf(sample: Sample): string {
  return promptTurns(sample)
    .map(({ prompt, answer }) => `<s>${prompt}${answer}</s>`)
    .join('');
}

describe('the first sample of each line', () => {
  before(() => makeAll(join(folder, 'data')));

  for (const stage of [1, 2, 3] as const) {
    test(`stage ${stage} asks and answers as the original does`, async () => {
      const samples = await firstSamples(stage);
      assert.deepEqual(samples.map(textOf), EXPECTED[stage]);
    });
  }

  test('what is trained on is every answer with its end symbol, and nothing else', async () => {
    const tokenizer = await llama2Tokenizer();
    for (const sample of await firstSamples(3)) {
      const { labels, images } = encodeSample(sample, { tokenizer, imageTokens: 4 });
      const supervised = tokenizer.decode(
        [...labels].filter((label) => label !== IGNORE),
        { skipSpecial: false },
      );
      const answers = sample.turns.map(({ answer }) => `${answer}</s>`).join('');
      assert.equal(supervised.replaceAll('</s> ', '</s>').trim(), answers);
      assert.equal(images.length, sample.task === 'text' ? 0 : 1);
    }
  });
});

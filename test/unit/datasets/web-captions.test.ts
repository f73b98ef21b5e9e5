import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cc3m } from '../../../datasets/cc3m.ts';
import { laion } from '../../../datasets/laion.ts';
import { sbu } from '../../../datasets/sbu.ts';
import { decodeImage } from '../../../lib/data/image.ts';
import { checkSample } from '../../../lib/data/sample.ts';
import { makeCc3m } from '../../data/make/cc3m.ts';
import { makeLaion } from '../../data/make/laion.ts';
import { makeSbu } from '../../data/make/sbu.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const first = (): number => 0;
const SETS = [
  [cc3m, makeCc3m, 6, /^actor attends the premiere of film$/, 'actor attends the premiere of film .'],
  [sbu, makeSbu, 3, /^my blocks in the garden at 10 15$/, 'My blocks in the garden at 10:15!'],
  [laion, makeLaion, 7, /^blue block - wooden toy, 12 cm$/, 'Blue Block - Wooden Toy, 12 cm'],
] as const;

for (const [source, make, length, cleaned, written] of SETS) {
  describe(source.name, () => {
    test('images of all shards come with their captions, cleaned as the original does', async () => {
      const root = temporaryFolder('tristage-web-');
      await make(root);
      const opened = await source.open({ root });
      assert.equal(opened.length, length);
      for (let index = 0; index < length; index++) checkSample(await opened.get(index, first));
      const sample = await opened.get(0, first);
      assert.match(sample.turns[0]?.answer ?? '', cleaned);
      const { width, height } = await decodeImage(sample.image!);
      assert.deepEqual([width, height], [64, 48]);
      const verbatim = await source.open({ root, text: 'verbatim' });
      assert.equal((await verbatim.get(0, first)).turns[0]?.answer, written);
    });

    test('fault 9: web captions are asked for with the instructions of [caption]', async () => {
      const root = temporaryFolder('tristage-web-');
      await make(root);
      const opened = await source.open({ root });
      const questions = new Set<string>();
      for (let draw = 0; draw < 5; draw++)
        questions.add((await opened.get(0, (bound) => draw % bound)).turns[0]?.question ?? '');
      assert.equal(questions.size, 5);
      for (const question of questions) assert.match(question, /^\[caption\] \w/);
    });

    test('it is a weak source, so that stages 2 and 3 refuse it', () => assert.equal(source.kind, 'weak'));
  });
}

test('the set of CC3M, CC12M and SBU that the original used is read under its name', () => {
  assert.deepEqual(cc3m.aliases, { cc_sbu: {} });
});

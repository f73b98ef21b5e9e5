import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { unnaturalInstructions } from '../../../datasets/unnatural-instructions.ts';
import { checkSample } from '../../../lib/data/sample.ts';
import { writeContent } from '../../data/make/pictures.ts';
import { makeUnnaturalInstructions } from '../../data/make/unnatural-instructions.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const first = (): number => 0;

async function made(): Promise<string> {
  const root = temporaryFolder('tristage-unnatural-');
  await makeUnnaturalInstructions(root);
  return root;
}

describe('unnatural-instructions', () => {
  test('an instance is one text turn; constraints are added, and "None." is no constraint', async () => {
    const source = await unnaturalInstructions.open({ root: await made() });
    assert.equal(source.length, 3);
    const samples = await Promise.all([0, 1, 2].map((index) => source.get(index, first)));
    for (const sample of samples) checkSample(sample);
    assert.deepEqual(
      samples.map(({ task, image, turns }) => [task, image, turns[0]?.question]),
      [
        ['text', undefined, 'Count the words of "Sentence 0".'],
        ['text', undefined, 'Count the words of "Sentence 1".'],
        ['text', undefined, 'Count the words of "Sentence 2". Answer with a number.'],
      ],
    );
  });

  test('fault 6: text-only instructions and answers keep numbers, marks and words beyond the fiftieth', async () => {
    const root = temporaryFolder('tristage-unnatural-');
    const [asked, output] = [`Add 3.5 and 10:15! ${'x '.repeat(80)}Y`, `f(x) = x * 2; # ${'z '.repeat(80)}END.`];
    await writeContent(join(root, 'filtered_unnatural_instruction.json'), [
      { instances: [{ instruction_with_input: asked, constraints: null, output }] },
    ]);
    const kept = await unnaturalInstructions.open({ root });
    assert.deepEqual((await kept.get(0, first)).turns, [{ question: asked, answer: output }]);
    const ruled = await unnaturalInstructions.open({ root, text: 'reference' });
    const { question, answer } = (await ruled.get(0, first)).turns[0]!;
    assert.match(question, /^add 3 5 and 10 15 x x/);
    assert.deepEqual([question.split(' ').length, answer.split(' ').length], [50, 50]);
  });

  test('the other wordings are samples where they are wanted', async () => {
    const source = await unnaturalInstructions.open({ root: await made(), reformulations: true });
    assert.equal(source.length, 6);
    const { id, turns } = await source.get(1, first);
    assert.deepEqual([id, turns[0]], ['0-1', { question: 'How many words has "Sentence 0"?', answer: 'Two.' }]);
  });

  test('records without text and very long ones are left out and counted', async () => {
    const root = temporaryFolder('tristage-unnatural-');
    await writeContent(join(root, 'filtered_unnatural_instruction.json'), [
      { instances: [{ instruction_with_input: 'a', output: 'b' }] },
      { instances: [{ instruction_with_input: ' ', output: 'b' }] },
      { instances: [{ instruction_with_input: 'a', output: '' }] },
      { instances: [{ instruction_with_input: 'a '.repeat(300), output: 'b '.repeat(101) }] },
      { instances: [] },
      'text',
    ]);
    const source = await unnaturalInstructions.open({ root });
    assert.equal(source.length, 1);
    for (const reason of ['empty question', 'empty answer', 'too long']) {
      assert.match(source.notes.join('\n'), new RegExp(reason));
    }
    assert.equal((await unnaturalInstructions.open({ root, maxWords: 401 })).length, 2);
  });

  test('it is found by the name of the original', () => {
    assert.deepEqual(unnaturalInstructions.aliases, { unnatural_instruction: {} });
    assert.deepEqual(unnaturalInstructions.tasks, ['text']);
  });
});

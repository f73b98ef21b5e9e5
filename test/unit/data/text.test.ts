import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  drawInstruction,
  evaluationInstruction,
  isIdentified,
  TASKS,
  taskIdentifier,
  templatePool,
} from '../../../lib/data/task.ts';
import { buildPrompt } from '../../../lib/data/template.ts';
import { cleanText, splitWords, stripText } from '../../../lib/data/text-clean.ts';

test('cleaning lower-cases, drops punctuation and keeps what answers need', () => {
  assert.equal(cleanText('  A man; (really) #1 "surfing"!! '), 'a man really 1 surfing');
  assert.equal(cleanText("What's 50% of 3.5, or 10:15?"), "what's 50% of 3 5, or 10 15?");
});

test('cleaning cuts after the given number of words', () => {
  assert.equal(cleanText('a b c d', { maxWords: 2 }), 'a b');
  assert.equal(cleanText(Array.from({ length: 60 }, (_, i) => `w${i}`).join(' ')).split(' ').length, 50);
});

test('white space is what Python takes for it', () => {
  assert.deepEqual(splitWords('\u001ca\u0085b\u3000c\ufeffd '), ['a', 'b', 'c\ufeffd']);
  assert.equal(stripText('\u001f\u00a0x\ufeff\n'), 'x\ufeff');
});

test('an identifier stands in brackets for the six tasks that have one', () => {
  assert.deepEqual(TASKS.filter(isIdentified).map(taskIdentifier), [
    '[vqa]',
    '[caption]',
    '[grounding]',
    '[refer]',
    '[identify]',
    '[detection]',
  ]);
  assert.equal(taskIdentifier('text'), '');
});

test('every wording of a pool can be drawn and carries the content unchanged', () => {
  for (const task of TASKS.filter(isIdentified)) {
    const pool = templatePool(task);
    assert.equal(new Set(pool).size, pool.length);
    const drawn = pool.map((_, place) => drawInstruction(task, 'the $& cat {}', () => place));
    for (const [place, text] of drawn.entries()) {
      const wording = pool[place] as string;
      assert.ok(text.startsWith(`[${task}] `));
      assert.equal(text.includes('the $& cat {}'), wording.includes('{}'));
    }
  }
  assert.equal(templatePool('caption').length, 17);
  assert.equal(templatePool('refer').length, 7);
});

test('evaluation asks in one wording', () => {
  assert.equal(evaluationInstruction('refer', 'red car'), '[refer] give me the location of red car');
  assert.equal(
    evaluationInstruction('vqa', 'what is it?'),
    '[vqa] Based on the image, respond to this question with a short answer: what is it?',
  );
});

test('a prompt has the image at its head and one space before its end', () => {
  assert.equal(
    buildPrompt({ question: '[vqa] how many?', images: 1 }),
    '[INST] <Img><ImageHere></Img> [vqa] how many? [/INST]',
  );
  assert.equal(buildPrompt({ question: 'hello', images: 0 }), '[INST] hello [/INST]');
});

test('the spacing of the original training is two spaces wherever the sample has an image', () => {
  const spacing = 'reference-train';
  assert.equal(buildPrompt({ question: 'q', images: 1, spacing }), '[INST] <Img><ImageHere></Img> q  [/INST]');
  assert.equal(buildPrompt({ question: 'q', images: 0, hasImage: true, spacing }), '[INST] q  [/INST]');
  assert.equal(buildPrompt({ question: 'q', images: 0, spacing }), '[INST] q [/INST]');
});

test('a question cannot smuggle an image into the prompt', () => {
  assert.throws(() => buildPrompt({ question: 'see <ImageHere>', images: 0 }), { code: 'E_PROMPT' });
});

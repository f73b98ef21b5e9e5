import assert from 'node:assert/strict';
import { test } from 'node:test';
import { llama2Tokenizer } from '../../../lib/data/tokenizer.ts';
import { answerText } from '../../../lib/eval/answer-text.ts';

const tokenizer = await llama2Tokenizer();

test('an answer is what was said, without specials and without the space that tokenizing put in front', () => {
  const ids = [...tokenizer.encode('a red bus'), tokenizer.eosId];
  assert.equal(answerText(ids, tokenizer), 'a red bus');
  assert.equal(answerText([], tokenizer), '');
  assert.equal(answerText([tokenizer.eosId], tokenizer), '');
});

test('a repeated prompt and what follows an end written as text are cut away', () => {
  const ids = tokenizer.encode('[INST] what? [/INST] a bus</s> and more', { parseSpecials: false });
  assert.equal(answerText(ids, tokenizer), 'a bus');
  assert.equal(answerText(tokenizer.encode('<s>yes', { parseSpecials: false }), tokenizer), 'yes');
});

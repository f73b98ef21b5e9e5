import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { ruledText, textRuleOption } from '../../../lib/data/text-rule.ts';

const LONG = Array.from({ length: 60 }, (_, word) => `w${word}`).join(' ');

test('the rule of the reference strips marks everywhere and cuts at 50 words', () => {
  assert.equal(ruledText(' It is 10:15 a.m., 3.5 miles! ', 'reference'), 'it is 10 15 a m , 3 5 miles');
  assert.equal(ruledText(LONG, 'reference').split(' ').length, 50);
});

test('keep-numbers leaves numbers, times and dotted names whole and cuts nothing', () => {
  assert.equal(ruledText(' It is 10:15 a.m., 3.5 miles! ', 'keep-numbers'), 'it is 10:15 a.m , 3.5 miles');
  assert.equal(ruledText('"M*A*S*H" (1970); see www.site.org...', 'keep-numbers'), 'm*a*s*h 1970 see www.site.org');
  assert.equal(ruledText('well...no #5 :-)', 'keep-numbers'), 'well no 5 -');
  assert.equal(ruledText(LONG, 'keep-numbers'), LONG);
});

test('verbatim changes nothing but the white space at the ends', () => {
  assert.equal(ruledText('\n "Stop!", he said.  Twice. ', 'verbatim'), '"Stop!", he said.  Twice.');
});

test('the option knows the three rules and has the default of its source', () => {
  const options = z.object({ text: textRuleOption('captions', 'keep-numbers') });
  assert.equal(options.parse({}).text, 'keep-numbers');
  assert.throws(() => options.parse({ text: 'other' }));
});

/** Lines of one source and one task are told apart by the options in which they differ. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lineParts } from '../../../lib/run/line-parts.ts';
import { miniGpt } from '../../e2e/full-size.ts';

const drawing = { rate: 1, window: 16, badShare: 0.01 };

test('of stage 3 the three parts of LLaVA and the two questions of Flickr30k are told apart, nothing else', () => {
  const { sources } = miniGpt(3).config.data.mixture;
  const named = lineParts(sources).flatMap((part, place) =>
    part === undefined ? [] : [`${sources[place]?.source} ${part}`],
  );
  assert.deepEqual(named, [
    'llava part: conversation',
    'llava part: detail',
    'llava part: reasoning',
    'flickr30k from: caption',
    'flickr30k from: phrase',
  ]);
});

test('how often a line is drawn and where its files lie tell nothing apart; values that are no text are written as JSON', () => {
  const line = { source: 'captions', root: 'a', task: 'caption', ...drawing };
  assert.deepEqual(lineParts([line, { ...line, root: 'b', index: 'c', rate: 7, cap: 2 }]), [undefined, undefined]);
  assert.deepEqual(
    lineParts([
      { ...line, turns: { refer: 1 } },
      { ...line, seed: 9 },
    ]),
    ['turns: {"refer":1}', 'seed: 9'],
  );
});

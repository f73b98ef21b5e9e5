import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collate, padRows, sliceBatch } from '../../../lib/data/collate.ts';
import { type EncodeOptions, encodePrompt, encodeSample, encodeTurns } from '../../../lib/data/encode.ts';
import { type Example, IGNORE, IMAGE_SLOT, type Sample } from '../../../lib/data/sample.ts';
import { llama2Tokenizer } from '../../../lib/data/tokenizer.ts';

const tokenizer = await llama2Tokenizer();
const options: EncodeOptions = { tokenizer, imageTokens: 4 };
const EOS = tokenizer.eosId;
const BOS = tokenizer.bosId;

function sample(turns: [string, string][], image = true): Sample {
  return {
    id: 's1',
    source: 'test',
    task: 'vqa',
    ...(image ? { image: { path: 'a.jpg' } } : {}),
    turns: turns.map(([question, answer]) => ({ question, answer })),
  };
}

/** The supervised tokens as runs of adjacent places. */
function supervisedRuns(example: Pick<Example, 'labels'>): string[] {
  const runs: number[][] = [];
  let open = false;
  for (const label of example.labels) {
    if (label !== IGNORE) {
      if (!open) runs.push([]);
      runs.at(-1)?.push(label);
    }
    open = label !== IGNORE;
  }
  return runs.map((run) => tokenizer.decode(run, { skipSpecial: false }).trim());
}

test('a row is BOS, prompt with its image slots, answer and end; only the answer and its end are supervised', () => {
  const example = encodeSample(sample([['[vqa] what colour?', 'red']]), options);
  assert.equal(example.tokenIds[0], BOS);
  assert.equal(example.tokenIds.filter((id) => id === IMAGE_SLOT).length, 4);
  assert.deepEqual([...example.tokenIds.slice(-2)], [...tokenizer.encode('red'), EOS]);
  assert.deepEqual([...example.labels.slice(-2)], [...tokenizer.encode('red'), EOS]);
  assert.ok(example.labels.slice(0, -2).every((label) => label === IGNORE));
  assert.equal(example.contextLength, example.tokenIds.length - 3);
});

test('every answer of a conversation is supervised, no question is', () => {
  const example = encodeSample(
    sample([
      ['first?', 'one'],
      ['second?', 'two words'],
      ['third?', 'three'],
    ]),
    options,
  );
  assert.deepEqual(supervisedRuns(example), ['one</s>', 'two words</s>', 'three</s>']);
  assert.equal(example.tokenIds.filter((id) => id === BOS).length, 3);
});

test('an answer that holds the pad piece of the original keeps every label', () => {
  const example = encodeSample(sample([['how much?', 'it is x$$ 20']]), options);
  assert.ok(example.tokenIds.includes(3997));
  assert.deepEqual(supervisedRuns(example), ['it is x$$ 20</s>']);
});

test('a long answer is cut and still ends with the end symbol', () => {
  const example = encodeSample(sample([['describe', 'a b c d e f g h']]), { ...options, maxAnswer: 5 });
  const answer = [...example.tokenIds.slice(1 + example.contextLength)];
  assert.deepEqual(answer, [...tokenizer.encode('a b c d'), EOS]);
  assert.deepEqual([...example.labels.slice(-5)], answer);
});

test('the cut of the original is available by name and loses the end symbol', () => {
  const example = encodeSample(sample([['describe', 'a b c d e f g h']]), {
    ...options,
    maxAnswer: 5,
    compat: { cutEos: true },
  });
  assert.deepEqual([...example.tokenIds.slice(1 + example.contextLength)], tokenizer.encode('a b c d e'));
});

test('a cut conversation ends with a whole answer, never inside a question', () => {
  const turns: [string, string][] = [
    ['first?', 'one'],
    ['a rather long second question?', 'two'],
  ];
  const whole = encodeSample(sample(turns), options);
  for (let maxAnswer = 2; maxAnswer < 40; maxAnswer++) {
    const example = encodeSample(sample(turns), { ...options, maxAnswer });
    assert.equal(example.labels.at(-1), EOS, `at ${maxAnswer}`);
    assert.ok(example.tokenIds.length <= 1 + example.contextLength + maxAnswer);
    assert.ok(example.tokenIds.length <= whole.tokenIds.length);
  }
});

test('the whole row never exceeds the longest length asked for', () => {
  const turns: [string, string][] = [
    ['first?', 'one two three four five'],
    ['second?', 'six seven'],
  ];
  const full = encodeSample(sample(turns), options).tokenIds.length;
  for (let maxTokens = 25; maxTokens <= full; maxTokens++) {
    const example = encodeSample(sample(turns), { ...options, maxTokens });
    assert.ok(example.tokenIds.length <= maxTokens);
    assert.equal(example.labels.at(-1), EOS);
  }
  assert.throws(() => encodeSample(sample(turns), { ...options, maxTokens: 12 }), { code: 'E_SAMPLE' });
});

test('a prompt that is too long is refused by default and cut only by name', () => {
  assert.throws(() => encodeSample(sample([['q '.repeat(50), 'a']]), { ...options, maxContext: 20 }), {
    code: 'E_SAMPLE',
    where: 'test: s1',
  });
  const cut = encodeSample(sample([['q '.repeat(50), 'a']]), {
    ...options,
    maxContext: 20,
    compat: { cutContext: true },
  });
  assert.equal(cut.contextLength, 20);
});

test('a row without turns is refused', () => {
  assert.throws(() => encodeTurns([], options), { code: 'E_SAMPLE' });
});

test('the prompt of a conversation to be answered is the training row up to its last answer', () => {
  const turns: [string, string][] = [
    ['first?', 'one'],
    ['second?', 'two'],
  ];
  const trained = encodeSample(sample(turns), options);
  const asked = encodePrompt(
    { image: { path: 'a.jpg' }, history: [{ question: 'first?', answer: 'one' }], question: 'second?' },
    options,
  );
  const answer = tokenizer.encode('two</s>');
  assert.deepEqual([...asked.tokenIds], [...trained.tokenIds.slice(0, -answer.length)]);
  assert.equal(asked.contextLength, trained.contextLength);
});

test('the name of a special token inside a text is text; the original’s reading comes by name', () => {
  const turns: [string, string][] = [['is </s> <s> an end?', 'no </s> it is not']];
  const plain = encodeSample(sample(turns), options);
  assert.equal(plain.tokenIds.filter((id) => id === EOS || id === BOS).length, 2);
  assert.equal(tokenizer.decode(plain.labels.filter((label) => label !== IGNORE)), 'no </s> it is not');
  const parsed = encodeSample(sample(turns), { ...options, compat: { parseSpecials: true } });
  assert.equal(parsed.tokenIds.filter((id) => id === EOS || id === BOS).length, 5);
});

test('an end symbol that is ordinary text is encoded with the answer', () => {
  const example = encodeSample(sample([['q', 'red']]), { ...options, endSymbol: '\n' });
  assert.deepEqual([...example.labels.filter((label) => label !== IGNORE)], tokenizer.encode('red\n'));
});

test('the two BOS of the original evaluation come only by name', () => {
  const twice = encodePrompt({ question: 'hi' }, { ...options, compat: { doubleBos: true } });
  const once = encodePrompt({ question: 'hi' }, options);
  assert.deepEqual([...twice.tokenIds], [BOS, ...once.tokenIds]);
});

const rows = [
  { tokenIds: Int32Array.of(1, 5, 6, 2), labels: Int32Array.of(IGNORE, IGNORE, 6, 2), contextLength: 1 },
  { tokenIds: Int32Array.of(1, 7, 7, 8, 2), labels: Int32Array.of(IGNORE, IGNORE, IGNORE, 8, 2), contextLength: 2 },
];

test('padding stands on the right with attention by length', () => {
  const batch = padRows(rows);
  assert.deepEqual(batch.shape, [2, 5]);
  assert.deepEqual([...batch.tokenIds], [1, 5, 6, 2, 0, 1, 7, 7, 8, 2]);
  assert.deepEqual([...batch.attentionMask], [1, 1, 1, 1, 0, 1, 1, 1, 1, 1]);
  assert.equal(batch.labels[4], IGNORE);
});

test('padding stands on the left for generation', () => {
  const batch = padRows(rows, { align: 'left', padId: 9 });
  assert.deepEqual([...batch.tokenIds], [9, 1, 5, 6, 2, 1, 7, 7, 8, 2]);
  assert.deepEqual([...batch.attentionMask], [0, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
});

function exampleOf(id: string, length: number, images: number): Example {
  return {
    id,
    task: 'vqa',
    tokenIds: new Int32Array(length).fill(5),
    labels: new Int32Array(length).fill(IGNORE),
    images: Array.from({ length: images }, () => ({ path: `${id}.jpg` })),
    contextLength: length - 1,
  };
}

test('a slice of a batch has its own rows, length and pixels', () => {
  const examples = [exampleOf('a', 3, 1), exampleOf('b', 4, 0), exampleOf('c', 9, 2)];
  const pixels = [1, 2, 3].map((value) => new Uint8Array(2 * 2 * 3).fill(value));
  const batch = collate(examples, { pixels, imageSize: 2 });
  assert.deepEqual(batch.pixelShape, [3, 2]);
  const head = sliceBatch(batch, 0, 2);
  assert.deepEqual(head.shape, [2, 4]);
  assert.deepEqual([...new Set(head.pixels)], [1]);
  const tail = sliceBatch(batch, 2, 3);
  assert.deepEqual(tail.pixelShape, [2, 2]);
  assert.deepEqual([...new Set(tail.pixels)], [2, 3]);
});

test('a batch of text has no pixels', () => {
  const batch = collate([exampleOf('t', 3, 0)], { pixels: [], imageSize: 8 });
  assert.equal(batch.pixels.length, 0);
  assert.deepEqual(batch.pixelShape, [0, 8]);
});

test('pixels that do not fit the examples are refused', () => {
  assert.throws(() => collate([exampleOf('a', 3, 1)], { pixels: [], imageSize: 2 }), { code: 'E_BATCH' });
  assert.throws(() => collate([exampleOf('a', 3, 1)], { pixels: [new Uint8Array(5)], imageSize: 2 }), {
    code: 'E_BATCH',
  });
  assert.throws(() => padRows([]), { code: 'E_BATCH' });
});

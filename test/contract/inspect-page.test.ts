/** The page of an inspection: whole in itself, readable by everyone, and safe whatever data sets hold. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Inspection, ShownToken } from '../../lib/report/inspect/inspection.ts';
import { inspectionHtml } from '../../lib/report/inspect/page.ts';
import { attribute, barriers, named, parsePage, reachesOut, textOf } from '../support/page.ts';
import { inspectedSample, inspection } from '../unit/report/inspect/inspect-support.ts';

const { settings } = inspection();
const { rowTokens: _, ...unpacked } = settings;
const plainRow = { step: 0, row: 0, length: 10, samples: [inspectedSample()] };
const pages = Object.entries({
  packed: inspection(),
  unpacked: inspection({
    settings: { ...unpacked, weighting: 'token' },
    rows: [plainRow, { ...plainRow, row: 1 }, { ...plainRow, step: 9 }].map((row, place) => ({
      ...row,
      samples: [inspectedSample({ number: place + 1, picture: 0 })],
    })),
    steps: [0, 9],
  }),
  bare: inspection({ rows: [], pictures: [], replaced: [], leftOut: [], notes: [] }),
});

for (const [name, shown] of pages) {
  test(`the ${name} page parses without a fault, fetches nothing, runs nothing, and bars nobody`, () => {
    const page = parsePage(inspectionHtml(shown));
    assert.deepEqual(page.faults, []);
    assert.deepEqual(reachesOut(page), []);
    assert.deepEqual(barriers(page), []);
  });
}

test('equal inspections give equal pages', () => {
  assert.equal(inspectionHtml(inspection()), inspectionHtml(inspection()));
});

function chips(shown: Inspection) {
  const page = parsePage(inspectionHtml(shown));
  const frames = named(page, 'div').filter(
    (div) => attribute(div, 'role') === 'region' && attribute(div, 'class') === 'tokens',
  );
  return frames.map((frame) => ({ label: attribute(frame, 'aria-label'), text: textOf(frame) }));
}

test('every token stands on the page with its id, slots as slots, bytes with their character, weights where they are not 1', () => {
  const [first] = chips(inspection());
  assert.equal(first?.label, 'Tokens of sample 1');
  assert.equal(first?.text, '<s>14 image slotsno id▁the278C2197B1 ±180trained × 0.25▁{426</s>2');
});

test('what is trained is told by words, weight of letters and a line, not by colour alone', () => {
  const text = inspectionHtml(inspection());
  assert.match(text, /\.tokens \.t\{border-bottom-color:[^}]*font-weight:700/);
  const page = parsePage(text);
  const trained = named(page, 'span').filter((span) => (attribute(span, 'class') ?? '').split(' ').includes('t'));
  assert.ok(trained.some((span) => textOf(span) === '▁{426'));
  assert.ok(!trained.some((span) => textOf(span).includes('▁the')));
  assert.ok(named(page, 'em').some((word) => textOf(word) === 'trained × 0.25'));
  const striped = named(page, 'i').map((part) => attribute(part, 'class'));
  assert.ok(striped.includes('supervised') && striped.includes('image') && striped.includes('empty'));
});

test('an image is described with its boxes, its own size and the one it is seen in', () => {
  const page = parsePage(inspectionHtml(inspection()));
  const labels = named(page, 'svg').flatMap((svg) => attribute(svg, 'aria-label') ?? []);
  assert.ok(labels.includes('Image of sample 1 with the dog (answered), a box (asked)'), labels.join('\n'));
  assert.ok(named(page, 'figcaption').some((one) => textOf(one).includes('640 × 480, seen as 112 × 112')));
  assert.ok(labels.some((label) => label.startsWith('Mask of 24 by 24 places: 2 examples behind a shared prefix')));
});

test('bad samples, rows left out, cut texts and odd boxes are named', () => {
  const text = parsePage(inspectionHtml(inspection())).elements.map(textOf)[0] ?? '';
  for (const part of [
    'photos/cat.jpg',
    'cut short',
    'E_IMAGE',
    'missing image',
    '1.jpg, 2.jpg',
    '3 tokens at its end',
    'is strange',
  ]) {
    assert.ok(text.includes(part), part);
  }
});

test('24 samples with photos and long conversations stay below 3 MB', () => {
  const uri = `data:image/webp;base64,${'A'.repeat(45_000)}`;
  const long = Array.from(
    { length: 600 },
    (_x, place): ShownToken => ({
      ...{ kind: 'text', id: 10_000 + place, piece: '▁something' },
      supervised: place > 100,
    }),
  );
  const samples = Array.from({ length: 24 }, (_x, place) =>
    inspectedSample({ number: place + 1, picture: place, tokens: long, length: 600 }),
  );
  const pictures = samples.map(() => ({ name: 'a.jpg', width: 640, height: 480, uri }));
  const text = inspectionHtml(
    inspection({ rows: samples.map((one, row) => ({ ...plainRow, row, samples: [one] })), pictures }),
  );
  assert.ok(Buffer.byteLength(text) < 3_000_000, `${Buffer.byteLength(text)} bytes`);
});

const HOSTILE = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onload='alert(1)",
  '</style></svg></pre></title><svg onload=alert(1)>',
  ']]><!--',
  '--><b>&lt;&#60;',
  'javascript:alert(1)',
  'url(https://example.org/x)',
  '\0\u001b[31m\u202e\ud800',
  '__proto__',
].join(' ');

/** Every text replaced, whatever its place, but for words that the page's maker chose. */
function poisoned<Value>(value: Value, key = ''): Value {
  if (typeof value === 'string') return (['kind', 'in', 'uri'].includes(key) ? value : HOSTILE) as Value;
  if (Array.isArray(value)) return value.map((item: unknown) => poisoned(item)) as Value;
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, item]) => [key === 'tasks' ? HOSTILE : name, poisoned(item, name)]);
  return Object.fromEntries(entries) as Value;
}

test('nothing that a data set holds becomes markup', () => {
  const known = new Set(pages.flatMap(([, shown]) => shapesOf(inspectionHtml(shown))));
  for (const [, shown] of pages) {
    const text = inspectionHtml(poisoned(shown));
    const page = parsePage(text);
    assert.deepEqual(page.faults, []);
    assert.deepEqual(reachesOut(page), []);
    assert.deepEqual(barriers(page), []);
    assert.deepEqual(
      shapesOf(text).filter((shape) => !known.has(shape)),
      [],
    );
    if (shown.rows.length === 0) continue;
    assert.ok(
      named(page, 'bdi')
        .map(textOf)
        .some((said) => said.startsWith('<script>alert(1)</script> "><img')),
    );
  }
});

/** Every element with each of its attributes. */
function shapesOf(text: string): string[] {
  return parsePage(text).elements.flatMap(({ tagName, attrs }) => [
    tagName,
    ...attrs.map(({ name }) => `${tagName} ${name}`),
  ]);
}

test('the spans of a row lead to the samples that are shown, and say which are not', () => {
  const page = parsePage(inspectionHtml(inspection()));
  const items = named(page, 'li').map(textOf);
  const shared = '8 tokens shared by 2 examples, of which each sees them and itself: #1 refer (6), not shown vqa (4)';
  assert.ok(items.includes(shared), items.join('\n'));
  assert.ok(items.includes('#2 text (6), by itself'));
  const links = named(page, 'a').flatMap((link) => attribute(link, 'href') ?? []);
  assert.ok(links.includes('#sample-1') && links.includes('#sample-2'));
});

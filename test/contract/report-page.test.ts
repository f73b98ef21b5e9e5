/** The page of a report: whole in itself, readable by everyone, and safe whatever models and users wrote. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reportHtml } from '../../lib/report/html/page.ts';
import type { Gallery, Report, ReportedRun } from '../../lib/report/html/report.ts';
import { attribute, barriers, named, parsePage, reachesOut, textOf } from '../support/page.ts';
import { estimate, gallery, reportedRun, stepEvent, steps } from '../unit/report/html/report-support.ts';

const second = reportedRun({ name: 'stage2', stage: 'stage2-multitask', settings: new Map([['name', 'stage2']]) });
const chain: Report = {
  chains: [{ label: 'quickstart', runs: [reportedRun(), second] }],
  gallery: gallery({ answeredBy: ['stage1'] }),
};
const comparison: Report = {
  chains: ['low', 'high'].map((label) => ({
    label,
    runs: [reportedRun({ name: label, settings: new Map([['train.lr', label]]) })],
  })),
  gallery: gallery({ answeredBy: ['low', 'high'] }),
};
const bare: Report = {
  chains: [
    {
      label: 'new',
      runs: [
        reportedRun({
          finished: false,
          step: 0,
          seconds: 0,
          events: [],
          mixture: [],
          evaluation: undefined,
          facts: [],
        }),
      ],
    },
  ],
};
const pages = Object.entries({ chain, comparison, bare });

for (const [name, report] of pages) {
  test(`the page of a ${name} parses without a fault, fetches nothing and runs nothing`, () => {
    const page = parsePage(reportHtml(report));
    assert.deepEqual(page.faults, []);
    assert.deepEqual(reachesOut(page), []);
  });

  test(`the page of a ${name} has headings in order, described drawings, tables with headers and links that lead somewhere`, () => {
    assert.deepEqual(barriers(parsePage(reportHtml(report))), []);
  });
}

test('the checks of a page see what they look for', () => {
  const bad = parsePage(
    '<!doctype html><html><body><h2>x</h2><svg></svg><script src="https://example.org/x.js"></script><p onclick="x()" style="background:url(x)"><use href="#gone"/><table><th>x</table></body></html>',
  );
  assert.equal(reachesOut(bad).length >= 4, true, reachesOut(bad).join('; '));
  assert.equal(barriers(bad).length >= 5, true, barriers(bad).join('; '));
});

test('equal runs give an equal page', () => {
  assert.equal(reportHtml(chain), reportHtml(chain));
});

test('a page says what each run reached, with interval and controls, and how it was trained', () => {
  const page = parsePage(reportHtml(chain));
  const tables = named(page, 'table').map(textOf);
  assert.ok(tables.some((text) => text.includes('refer') && text.includes('0.550–0.650') && text.includes('chance')));
  assert.ok(tables.some((text) => text.includes('stage2-multitask') && text.includes('1.00 GiB')));
  const charts = named(page, 'svg').flatMap((svg) => attribute(svg, 'aria-label') ?? []);
  assert.ok(
    charts.some((told) => told.includes('loss: 6 to 0.63')),
    charts.join('\n'),
  );
  assert.ok(charts.some((told) => told.includes('laion: caption: planned 25.0 %, samples 25.0 %, tokens 37.5 %')));
});

test('a page that grows with thousands of steps, hundreds of scenes and long files stays below 2 MB', () => {
  const big = reportedRun({ step: 20_000, events: steps(20_000), config: 'x: y\n'.repeat(5000) });
  const scene = gallery().scenes[0] as Gallery['scenes'][number];
  const uri = `data:image/webp;base64,${'A'.repeat(40_000)}`;
  const scenes = Array.from({ length: 200 }, (_, place) => ({
    ...scene,
    id: `scene ${place}`,
    image: { uri, width: 320, height: 240 },
  }));
  const text = reportHtml({ chains: [{ label: 'big', runs: [big, big, big] }], gallery: gallery({ scenes }) });
  assert.ok(Buffer.byteLength(text) < 2_000_000, `${Buffer.byteLength(text)} bytes`);
  assert.match(text, /\d+ more scenes are left out/);
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

/** Every text of a report replaced, whatever its place. */
function poisoned<Value>(value: Value): Value {
  if (typeof value === 'string')
    return (
      value.startsWith('data:') || ['step', 'start', 'end', 'evaluation'].includes(value) ? value : HOSTILE
    ) as Value;
  if (value instanceof Map)
    return new Map([...value].map(([key, item], place) => [`${poisoned(key)} ${place}`, poisoned(item)])) as Value;
  if (Array.isArray(value)) return value.map((item: unknown) => poisoned(item)) as Value;
  return value;
}

function poisonedRun(run: ReportedRun): ReportedRun {
  const figures = { [HOSTILE]: estimate(0.5), [`${HOSTILE}.detail`]: estimate(0.5), refer: estimate(0.5) };
  const events = Array.from({ length: 30 }, (_, place) =>
    stepEvent(place + 1, { tasks: { [HOSTILE]: { loss: 1 / (place + 1), tokens: 3 } } }),
  );
  return {
    ...run,
    name: HOSTILE,
    stage: HOSTILE,
    folder: HOSTILE,
    config: HOSTILE,
    events: [...events, { event: 'evaluation', step: 30, figures, seconds: 1 }],
    mixture: run.mixture.map((one) => ({
      ...one,
      source: HOSTILE,
      task: HOSTILE,
      tasks: { [HOSTILE]: { samples: 1, tokens: 1 }, b: { samples: 1, tokens: 1 } },
    })),
    evaluation: { step: 30, origin: 'evaluation', model: figures, controls: { chance: figures } },
    facts: [
      [HOSTILE, HOSTILE],
      ['engine', HOSTILE],
    ],
    settings: poisoned(run.settings),
    warnings: [HOSTILE],
  };
}

function poisonedGallery({ scenes, notes }: Gallery): Gallery {
  return {
    answeredBy: [HOSTILE],
    notes: [...notes, HOSTILE],
    scenes: scenes.map(({ image, questions }) => ({
      id: HOSTILE,
      source: HOSTILE,
      image,
      questions: questions.map((question) => ({
        ...question,
        task: HOSTILE,
        question: HOSTILE,
        reference: HOSTILE,
        truth: [{ name: HOSTILE, box: [0.1, 0.1, 0.9, 0.9] }],
        answers: [{ text: HOSTILE, note: HOSTILE, score: 0.5, boxes: [{ name: HOSTILE, box: [0.1, 0.1, 0.9, 0.9] }] }],
      })),
    })),
  };
}

test('nothing that a model, a user or a data set wrote becomes markup', () => {
  const [only] = chain.chains;
  const runs = (only?.runs ?? []).map(poisonedRun);
  const hostile = [
    { chains: [{ label: HOSTILE, runs }], gallery: poisonedGallery(gallery()) },
    { chains: runs.map((run) => ({ label: HOSTILE, runs: [run] })), gallery: poisonedGallery(gallery()) },
  ];
  const known = new Set(pages.flatMap(([, report]) => shapesOf(reportHtml(report))));
  for (const report of hostile) {
    const text = reportHtml(report);
    const page = parsePage(text);
    assert.deepEqual(page.faults, []);
    assert.deepEqual(reachesOut(page), []);
    assert.deepEqual(barriers(page), []);
    assert.deepEqual(
      shapesOf(text).filter((shape) => !known.has(shape)),
      [],
    );
    const shown = named(page, 'bdi').map(textOf);
    assert.ok(
      shown.some((answer) => answer.startsWith('<script>alert(1)</script> "><img')),
      'the text itself is shown',
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

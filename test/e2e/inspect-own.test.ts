/** `tristage inspect` on records of one's own: long ones, a damaged photo, other sources that are missing. */
import assert from 'node:assert/strict';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { InspectedSample } from '../../lib/report/inspect/inspection.ts';
import { jsonLinesOf, writePicture } from '../data/make/pictures.ts';
import { inspected } from './inspect-run.ts';
import { newFolder } from './tiny-scenes.ts';

const LONG = 'a very long answer that does not fit '.repeat(20);

/** Records of one's own: two on one good photo, one on a damaged photo, one without any; and a run file over them. */
async function ownRecords(): Promise<string> {
  const folder = newFolder();
  const root = join(folder, 'mine');
  await mkdir(root);
  await writePicture(join(root, 'a.jpg'), { width: 200, height: 100 });
  await writePicture(join(root, 'b.jpg'), { width: 200, height: 100 });
  truncateSync(join(root, 'b.jpg'), Math.floor(readFileSync(join(root, 'b.jpg')).length * 0.6));
  const records = [
    {
      ...{ image: 'a.jpg', task: 'refer', turns: [{ question: '<b>the € cup</b>', answer: '<box:cup>' }], id: 'cup' },
      ...{ boxes: { cup: [20, 10, 100, 50] }, unit: 'pixels' },
    },
    { image: 'a.jpg', task: 'caption', turns: [{ answer: LONG }], id: 'long' },
    { image: 'b.jpg', task: 'caption', turns: [{ answer: 'never seen' }], id: 'damaged' },
    {
      task: 'text',
      turns: [
        { question: 'one?', answer: 'yes' },
        { question: 'two?', answer: 'no' },
      ],
      id: 'talk',
    },
  ];
  writeFileSync(join(root, 'data.jsonl'), jsonLinesOf(records));
  const file = join(folder, 'run.yaml');
  writeFileSync(
    file,
    `version: 1
name: own
stage: stage3-instruct
model: { preset: tiny }
data:
  cache: ${join(folder, 'index')}
  maxTokens: 96
  mixture:
    sources:
      - { source: jsonl, root: ${root}, task: conversation, rate: 2 }
      - { source: emoji-scenes, task: vqa, count: 64, rate: 6 }
train: { steps: 30, globalBatch: 8, optimizer: { lr: 1.0e-3 } }
`,
  );
  return file;
}

describe('records of one’s own', () => {
  test('one source is shown with its texts, its cuts, and what could not be used', async () => {
    const { inspection } = await inspected(await ownRecords(), { source: 'jsonl', samples: 24 });
    const samples = inspection.rows.flatMap((row) => row.samples);
    assert.equal(samples.length, 24);
    assert.deepEqual(
      samples.map(({ number }) => number),
      samples.map((_, place) => place + 1),
    );
    assert.ok(samples.every(({ source, line }) => source === 'jsonl' && line === 1));
    const byId = new Map(samples.map((sample) => [sample.id, sample]));
    const cup = byId.get('cup') as InspectedSample;
    assert.deepEqual(cup.boxes, [{ phrase: '<b>the € cup</b>', box: [0.1, 0.1, 0.5, 0.5], in: 'answer' }]);
    assert.deepEqual(inspection.pictures[cup.picture as number]?.name.endsWith('a.jpg'), true);
    assert.deepEqual([inspection.pictures[0]?.width, inspection.pictures[0]?.height], [200, 100]);
    const long = byId.get('long') as InspectedSample;
    assert.ok(long.cut > 50 && long.length === 96, String(long.cut));
    assert.equal(byId.get('talk')?.turns.length, 2);
    assert.equal(byId.get('talk')?.picture, undefined);
    assert.equal(byId.has('damaged'), false);
    const [bad] = inspection.replaced;
    assert.ok(bad !== undefined && bad.source === 'jsonl' && bad.code === 'E_IMAGE' && bad.where.endsWith('b.jpg'));
    assert.deepEqual(
      inspection.lines.map(({ shown }) => shown),
      [true, false],
    );
    const drawn = inspection.lines.reduce((sum, line) => sum + line.drawn.samples, 0);
    assert.equal(drawn, inspection.batch.samples);
    assert.ok(Math.abs((inspection.lines[0]?.share ?? 0) - 0.25) < 0.02);
  });

  test('a line is named by its place, and steps without it are passed over', async () => {
    const file = await ownRecords();
    const { inspection } = await inspected(file, {
      source: '1',
      samples: 2,
      set: ['data.mixture.sources.0.rate=0.02'],
    });
    assert.ok((inspection.steps[0] ?? 0) > 0, `step ${inspection.steps}`);
    assert.equal(inspection.lines[0]?.shown, true);
  });

  test('of each line as many are shown as are asked for, the first ones that the run draws', async () => {
    const { inspection } = await inspected(await ownRecords(), { each: 3 });
    const samples = inspection.rows.flatMap((row) => row.samples);
    const places = (line: number) => samples.filter((sample) => sample.line === line).length;
    assert.deepEqual([samples.length, places(1), places(2)], [6, 3, 3]);
    const { inspection: alone } = await inspected(await ownRecords(), { source: '2', samples: 3 });
    assert.deepEqual(
      samples.filter(({ line }) => line === 2).map(({ id }) => id),
      alone.rows.flatMap((row) => row.samples.map(({ id }) => id)),
    );
  });

  test('where other sources are missing, a wanted one is shown alone, and that is said', async () => {
    const file = await ownRecords();
    const text = readFileSync(file, 'utf8').replace(
      '{ source: emoji-scenes, task: vqa, count: 64, rate: 6 }',
      '{ source: coco-caption, root: no/such/folder, rate: 6 }',
    );
    writeFileSync(file, text);
    await assert.rejects(inspected(file), { kind: 'data' });
    await assert.rejects(inspected(file, { source: 'coco-caption' }), { kind: 'data' });
    const { inspection, lines } = await inspected(file, { source: 'jsonl', samples: 4 });
    assert.deepEqual(
      inspection.lines.map(({ source }) => source),
      ['jsonl'],
    );
    assert.match(inspection.notes.join(), /drawn as if they were all there is/);
    assert.match(lines.join('\n'), /other sources of the mixture cannot be opened/);
    const { inspection: alone, lines: quiet } = await inspected(file, { source: 'jsonl', samples: 4, alone: true });
    assert.deepEqual([alone.rows, alone.notes], [inspection.rows, inspection.notes]);
    assert.ok(!quiet.some((line) => line.includes('cannot be opened')));
    await assert.rejects(inspected(file, { alone: true }), { code: 'E_USAGE' });
  });
});

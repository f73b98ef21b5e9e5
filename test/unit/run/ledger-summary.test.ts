import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type BadSample, openLedger } from '../../../lib/data/ledger.ts';
import { badSamples, describeLedger, ledgerSummary } from '../../../lib/run/ledger-summary.ts';

const folders: string[] = [];
after(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));

async function folderWith(...parts: Parameters<ReturnType<typeof openLedger>['append']>[0][]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tristage-ledger-'));
  folders.push(folder);
  for (const part of parts) await openLedger(join(folder, 'bad-samples.jsonl')).append(part);
  return folder;
}

const bad = (step: number, index: number, over: Partial<BadSample> = {}): BadSample => ({
  ...{ step, slot: 0, source: 'photos', index, code: 'E_IMAGE', where: `${index}.jpg`, cause: 'cut short' },
  replacedBy: 3,
  ...over,
});

test('bad samples are counted by source and code, with the first places, and rows left out by reason', async () => {
  const folder = await folderWith(
    [{ source: 'photos', leftOut: 4, cause: 'missing image', where: ['a.jpg'] }],
    [bad(2, 7), bad(9, 7), bad(5, 8, { code: 'E_SAMPLE', cause: 'no answer' })],
    [bad(4, 1, { source: 'notes', code: 'E_SAMPLE', where: 'n1' })],
  );
  const summary = await ledgerSummary(folder);
  assert.deepEqual([summary.replaced, summary.leftOut, summary.steps], [4, 4, { first: 2, last: 9 }]);
  const [photos, notes] = summary.sources;
  assert.deepEqual([photos?.source, photos?.replaced, photos?.samples], ['photos', 3, 2]);
  assert.deepEqual(
    photos?.faults.map(({ code, samples, where }) => [code, samples, where]),
    [
      ['E_IMAGE', 2, ['7.jpg']],
      ['E_SAMPLE', 1, ['8.jpg']],
    ],
  );
  assert.deepEqual(photos?.leftOut, [{ rows: 4, cause: 'missing image', where: ['a.jpg'] }]);
  assert.deepEqual([notes?.source, notes?.leftOut], ['notes', []]);
  const text = describeLedger(summary).join('\n');
  for (const part of ['4 samples replaced, in steps 2 to 9', '2 x E_IMAGE: cut short', '4 rows left out: missing']) {
    assert.ok(text.includes(part), text);
  }
});

test('steps that a resumed run repeats count once, and a line that a crash cut is passed over', async () => {
  const folder = await folderWith([bad(2, 7), bad(3, 8)], [bad(3, 8), bad(4, 9)]);
  await appendFile(join(folder, 'bad-samples.jsonl'), '{"step": 5, "slo');
  const { replaced } = await ledgerSummary(folder);
  assert.equal(replaced, 3);
  // The run that goes on begins a line of its own.
  await openLedger(join(folder, 'bad-samples.jsonl')).append([bad(5, 10)]);
  assert.deepEqual(
    (await badSamples(folder)).map(({ index }) => index),
    [7, 8, 9, 10],
  );
});

test('a run without a ledger has an empty summary, a damaged one names its line', async () => {
  const empty = await ledgerSummary(await folderWith());
  assert.deepEqual([empty.replaced, empty.sources], [0, []]);
  assert.equal(describeLedger(empty).length, 1);
  const folder = await folderWith([bad(1, 1)]);
  await appendFile(join(folder, 'bad-samples.jsonl'), '{"step": -1}\n');
  await assert.rejects(ledgerSummary(folder), { code: 'E_LEDGER', where: /bad-samples\.jsonl:2$/ });
});

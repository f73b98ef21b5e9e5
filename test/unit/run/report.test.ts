/** From run folders to a page: which runs belong together, what is read of them, which scenes are shown. */
import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { registry } from '../../../bin/registry.ts';
import { createLogger } from '../../../lib/core/log.ts';
import { findChains } from '../../../lib/run/report/find-runs.ts';
import { openGallery } from '../../../lib/run/report/gallery.ts';
import { refreshReport, writeReport } from '../../../lib/run/report/index.ts';
import { readReportedRun } from '../../../lib/run/report/read-run.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { stepEvent } from '../report/html/report-support.ts';
import { makeEvaluation, makeRun } from './made-run.ts';

const folder = () => temporaryFolder('tristage-report-');

/** Three stages, each named as it was when they were trained below `runs`. */
function threeStages(): string {
  const out = join(folder(), 'runs/tiny');
  makeRun({ folder: join(out, 'one'), name: 'one' });
  makeRun({ folder: join(out, 'two'), name: 'two', from: 'runs/tiny/one' });
  makeRun({ folder: join(out, 'three'), name: 'three', from: 'runs/tiny/two/checkpoints/step-4' });
  return out;
}

test('a run stands with all that it started from, found from where it was trained', () => {
  const out = threeStages();
  const [chain] = findChains([join(out, 'three')]);
  assert.deepEqual(
    chain?.folders,
    ['one', 'two', 'three'].map((name) => join(out, name)),
  );
  assert.equal(chain?.missing, undefined);
  assert.deepEqual(findChains([out])[0]?.folders, chain?.folders);
});

test('runs that were moved together are found beside each other; one that is gone is named', () => {
  const out = folder();
  makeRun({ folder: join(out, 'one'), name: 'one', from: '/gone/zero' });
  makeRun({ folder: join(out, 'two'), name: 'two', from: '/elsewhere/runs/one' });
  const [chain] = findChains([join(out, 'two')]);
  assert.deepEqual([chain?.folders, chain?.missing], [[join(out, 'one'), join(out, 'two')], '/gone/zero']);
});

test('runs that name each other in a circle end', () => {
  const out = folder();
  makeRun({ folder: join(out, 'one'), name: 'one', from: 'two' });
  makeRun({ folder: join(out, 'two'), name: 'two', from: 'one' });
  assert.deepEqual(findChains([join(out, 'two')])[0]?.folders, [join(out, 'one'), join(out, 'two')]);
});

test('several runs stand for themselves under names that tell them apart; a folder of runs for its chain', () => {
  const [a, b] = [threeStages(), threeStages()];
  const chains = findChains([join(a, 'three'), join(b, 'three')]);
  assert.deepEqual(
    chains.map(({ folders }) => folders),
    [[join(a, 'three')], [join(b, 'three')]],
  );
  assert.equal(new Set(chains.map(({ label }) => label)).size, 2);
  assert.ok(
    chains.every(({ label }) => !label.endsWith('three')),
    chains.map(({ label }) => label).join(),
  );
  assert.deepEqual(
    findChains([join(a, 'one'), join(a, 'two')]).map(({ label }) => label),
    ['one', 'two'],
  );
  assert.equal(findChains([a, join(b, 'three')])[0]?.folders.length, 3);
});

test('a folder of runs that did not start from each other is a comparison', () => {
  const out = folder();
  for (const name of ['low', 'high']) makeRun({ folder: join(out, name), name });
  assert.deepEqual(
    findChains([out]).map(({ label }) => label),
    ['high', 'low'],
  );
});

test('what is no run is a coded error that says what is missing', () => {
  const empty = folder();
  assert.throws(() => findChains([empty]), { code: 'E_REPORT_RUN', where: empty, found: /config\.resolved\.yaml/ });
  assert.throws(() => findChains([join(empty, 'none')]), { code: 'E_REPORT_RUN', found: 'no such folder' });
});

test('a run that still trains is read as far as it is', () => {
  const run = readReportedRun(makeRun({ folder: folder(), name: 'half', steps: 10, done: 3 }));
  assert.deepEqual([run.name, run.finished, run.step, run.steps], ['half', false, 3, 10]);
  assert.equal(run.settings.get('train.betas'), '0.9, 0.95');
  assert.deepEqual(run.warnings, ['it is not finished: step 3 of 10']);
  const bare = makeRun({ folder: folder(), name: 'bare' });
  for (const name of ['events.jsonl', 'summary.json']) rmSync(join(bare, name));
  assert.equal(readReportedRun(bare).step, 0);
});

test('samples that were replaced are counted by cause, the most frequent first', () => {
  const path = makeRun({ folder: folder(), name: 'bad' });
  const entry = (code: string, where: string) => ({
    step: 1,
    slot: 0,
    source: 'laion',
    index: 3,
    code,
    where,
    cause: 'truncated',
    replacedBy: 4,
  });
  for (const one of [entry('E_TEXT', 'a'), entry('E_IMAGE', 'b.jpg'), entry('E_IMAGE', 'c.jpg')])
    appendFileSync(join(path, 'bad-samples.jsonl'), `${JSON.stringify(one)}\n`);
  appendFileSync(join(path, 'bad-samples.jsonl'), '{"step":1,"sl');
  assert.deepEqual(readReportedRun(path).warnings, [
    '3 samples could not be used and were replaced; bad-samples.jsonl names each',
    '2 of laion, E_IMAGE; the first: b.jpg: truncated',
    '1 of laion, E_TEXT; the first: a: truncated',
  ]);
});

test('what the feature cache did stands among the facts, over all parts of the run, where one was used', () => {
  const path = makeRun({ folder: folder(), name: 'cached', steps: 9, done: 0 });
  const counts = (hits: number, misses: number, corrupt = 0) => ({ hits, misses, corrupt, evicted: 0, unstored: 0 });
  const add = (event: object) => appendFileSync(join(path, 'events.jsonl'), `${JSON.stringify(event)}\n`);
  const row = () => readReportedRun(path).facts.filter(([name]) => name === 'feature cache');
  assert.deepEqual(row(), []);
  add(stepEvent(1, { features: counts(0, 4) }));
  add(stepEvent(2, { features: counts(3, 1) }));
  assert.deepEqual(row(), [['feature cache', '37.5 % hits: 3 of 8 images from the cache, 5 computed']]);
  // What an interrupted run says of itself is of all its parts.
  add({ event: 'interrupted', step: 2, features: counts(3, 5, 1) });
  add({ event: 'evaluation', step: 3, figures: {}, seconds: 1, features: counts(8, 0) });
  const all = '68.8 % hits: 11 of 16 images from the cache, 5 computed; 1 damaged entries replaced';
  assert.deepEqual(row(), [['feature cache', all]]);
});

test('the newest evaluation counts, its chance beside it; without one the last examination during training', async () => {
  const path = makeRun({ folder: folder(), name: 'asked' });
  const figures = { vqa: { value: 0.25, n: 4, low: 0, high: 1 } };
  appendFileSync(
    join(path, 'events.jsonl'),
    `${JSON.stringify({ event: 'evaluation', step: 4, figures, seconds: 1 })}\n`,
  );
  assert.deepEqual(readReportedRun(path).evaluation, { step: 4, origin: 'training', model: figures, controls: {} });
  await makeEvaluation(path, { step: 2, questions: 2, wrong: 4 });
  await makeEvaluation(path, { step: 4, questions: 2 });
  const { evaluation } = readReportedRun(path);
  assert.deepEqual([evaluation?.step, evaluation?.origin, evaluation?.model['vqa']?.value], [4, 'evaluation', 1]);
  assert.equal(evaluation?.controls.chance?.['refer']?.n, 2);
});

test('a run that started from weights which its parent no longer has says so', async () => {
  const out = threeStages();
  const checkpoint = (name: string, file: string, content: object) => {
    mkdirSync(join(out, name, 'checkpoints/step-4'), { recursive: true });
    writeFileSync(join(out, name, 'checkpoints/step-4', file), JSON.stringify(content));
  };
  const parent = { name: 'two', stage: 'stage2-multitask', step: 4, model: 'ab'.repeat(32), sources: [] };
  checkpoint('three', 'state.json', { lineage: [parent] });
  checkpoint('two', 'manifest.json', { files: { 'model.safetensors': { sha256: parent.model } } });
  const warnings = async () => (await writeReport({ runs: [out], registry })).warnings;
  assert.deepEqual(await warnings(), []);
  checkpoint('two', 'manifest.json', { files: { 'model.safetensors': { sha256: 'cd'.repeat(32) } } });
  assert.match((await warnings()).join(), /three: it started from other weights than those that .*two has at step 4/);
});

test('the gallery shows the first scenes with image, true boxes, and the answers of every run that was asked', async () => {
  const [one, two] = ['one', 'two'].map((name) => makeRun({ folder: join(folder(), name), name })) as [string, string];
  await makeEvaluation(one, { step: 4, questions: 2, wrong: 4 });
  await makeEvaluation(two, { step: 4, questions: 5 });
  const runs = [
    { name: 'one', folder: one },
    { name: 'two', folder: two },
  ];
  const gallery = await openGallery({ runs, registry });
  assert.deepEqual([gallery?.answeredBy, gallery?.scenes.length, gallery?.notes], [['one', 'two'], 5, []]);
  const [first] = gallery?.scenes ?? [];
  assert.match(first?.id ?? '', /^heldout\/\d+$/);
  assert.match(first?.image?.uri ?? '', /^data:image\/webp;base64,[A-Za-z0-9+/=]+$/);
  assert.deepEqual([first?.image?.width, first?.image?.height], [56, 56]);
  const refer = first?.questions.find(({ task }) => task === 'refer');
  assert.equal(refer?.truth.length, 1);
  assert.deepEqual(
    refer?.answers.map((answer) => answer?.score),
    [0, 1],
  );
  assert.match(refer?.answers[1]?.note ?? '', /^IoU (0\.9\d|1\.00)$/);
  assert.deepEqual(
    gallery?.scenes[4]?.questions.map(({ answers }) => answers[0]),
    [undefined, undefined],
  );
});

test('scenes whose source is not here are shown without images, and the page says so', async () => {
  const run = makeRun({ folder: folder(), name: 'own' });
  await makeEvaluation(run, { step: 4, questions: 3, source: 'my-source' });
  const gallery = await openGallery({ runs: [{ name: 'own', folder: run }], registry });
  assert.equal(gallery?.scenes.length, 3);
  assert.ok(gallery?.scenes.every(({ image, questions }) => image === undefined && questions.length === 2));
  assert.match(gallery?.notes[0] ?? '', /images of my-source cannot be shown: .*--plugins/);
});

test('a report is written beside its run, again over itself, never over another file', async () => {
  const out = threeStages();
  await makeEvaluation(join(out, 'three'), { step: 4, questions: 2 });
  const written = await writeReport({ runs: [out], registry });
  assert.deepEqual([written.path, written.scenes, written.chains.length], [join(out, 'report.html'), 2, 1]);
  assert.deepEqual(
    written.chains[0]?.runs.map(({ name }) => name),
    ['one', 'two', 'three'],
  );
  assert.equal(written.chains[0]?.runs[2]?.figures['vqa'], 1);
  const text = readFileSync(written.path, 'utf8');
  assert.equal(Buffer.byteLength(text), written.bytes);
  await writeReport({ runs: [out], registry });
  assert.equal(readFileSync(written.path, 'utf8'), text);
  const foreign = join(out, 'mine.html');
  writeFileSync(foreign, '<p>mine');
  await assert.rejects(writeReport({ runs: [out], out: foreign, registry }), { code: 'E_OUT_FOREIGN', where: foreign });
  assert.equal(readFileSync(foreign, 'utf8'), '<p>mine');
});

test('a report that cannot be written after training is told and stops nothing', async () => {
  const lines: string[] = [];
  const run = makeRun({ folder: folder(), name: 'run' });
  mkdirSync(join(run, 'report.html'));
  await refreshReport(run, { registry, logger: createLogger({ sink: (line) => lines.push(line) }) });
  assert.match(lines.join('\n'), /no report was written/);
  rmSync(join(run, 'report.html'), { recursive: true });
  await refreshReport(run, { registry, logger: createLogger({ sink: (line) => lines.push(line) }) });
  assert.ok(existsSync(join(run, 'report.html')));
});

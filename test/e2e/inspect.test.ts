/** `tristage inspect` shows what training is given: on the quickstart and on real photos. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { registry } from '../../bin/registry.ts';
import { TristageError } from '../../lib/core/errors.ts';
import { IGNORE, IMAGE_SLOT } from '../../lib/data/sample.ts';
import type { InspectedSample } from '../../lib/report/inspect/inspection.ts';
import { openData, openLoader } from '../../lib/run/data.ts';
import { inspectLedger } from '../../lib/run/inspect/ledger.ts';
import { inspectionData, inspectionText } from '../../lib/run/inspect/text.ts';
import { modelConfigOf } from '../../lib/run/model-config.ts';
import { openRuns } from '../../lib/run/plugins.ts';
import { answerWeights } from '../../lib/train/loss.ts';
import { barriers, parsePage, reachesOut } from '../support/page.ts';
import { inspected, type Wanted } from './inspect-run.ts';
import { newFolder } from './tiny-scenes.ts';

/** Ids, labels and weights of the loss by place, as the tokens of the page say them. */
function said({ tokens }: InspectedSample) {
  const places = tokens.flatMap((token) =>
    token.kind === 'image'
      ? Array.from({ length: token.slots }, () => ({ id: IMAGE_SLOT, label: IGNORE, weight: 0 }))
      : [
          {
            id: token.id,
            label: token.supervised ? token.id : IGNORE,
            weight: token.supervised ? (token.weight ?? 1) : 0,
          },
        ],
  );
  return {
    ids: places.map(({ id }) => id),
    labels: places.map(({ label }) => label),
    weights: places.map(({ weight }) => weight),
  };
}

/** What the loader of a training run gives at a step: for each example its ids, labels and weights, read from its row. */
async function trained(file: string, step: number, set: readonly string[] = []) {
  const [run] = await openRuns([file], { registry, set });
  assert.ok(run !== undefined);
  const data = await openData(run.config, registry);
  const loader = openLoader({
    ...{ config: data.config, model: modelConfigOf(data.config), data, onBadSamples: () => undefined },
    prefetch: 0,
  });
  const { packed = [] } = await loader.batch(step);
  await loader.close();
  return packed.map((row) => {
    const length = row.labels.length;
    const places = [...row.labels.keys()].filter((place) => place > 0 && (row.labels[place] as number) >= 0);
    const weights = new Map(
      [...answerWeights({ ...row, shape: [1, length] })].map((weight, at) => [places[at], weight]),
    );
    return row.examples.map((_, owner) => {
      const own = [...row.owners.keys()].filter((place) => row.owners[place] === owner);
      const group = row.groups[own[0] as number];
      const prefix = [...row.groups.keys()].filter(
        (place) => row.groups[place] === group && (row.branches[place] as number) === 0,
      );
      const all = [...prefix, ...own];
      return {
        ids: all.map((place) => row.tokenIds[place]),
        labels: all.map((place) => row.labels[place]),
        weights: all.map((place) => weights.get(place) ?? 0),
      };
    });
  });
}

describe('the quickstart', () => {
  const file = 'configs/quickstart/stage2.yaml';
  // As before stage 1 is trained: whether it has been must not matter here.
  const set = ['init.from=no/such/run'];

  test('ids, supervision and weights are those of the packed rows that training gets', async () => {
    const step = 3;
    const [{ inspection }, rows] = await Promise.all([
      inspected(file, { set, samples: 40, step }),
      trained(file, step, set),
    ]);
    const shown = inspection.rows.flatMap(({ row, samples }) =>
      samples.map((sample, place) => ({ row, place, sample })),
    );
    assert.equal(shown.length, 40);
    for (const { row, place, sample } of shown) {
      assert.deepEqual(said(sample), rows[row]?.[place], sample.id);
      assert.equal(sample.supervised, said(sample).labels.filter((label) => label >= 0).length);
      assert.equal(sample.length, said(sample).ids.length);
    }
    assert.ok(
      shown.some(({ sample }) => sample.tokens.some((token) => token.kind !== 'image' && token.weight !== undefined)),
    );
  });

  test('boxes of answers and questions come with their phrases, and lie where the scene has them', async () => {
    const { inspection } = await inspected(file, { set, samples: 40 });
    const samples = inspection.rows.flatMap((row) => row.samples);
    for (const task of ['refer', 'identify', 'detection', 'grounding']) {
      const own = samples.filter((sample) => sample.task === task);
      assert.ok(own.length > 0, task);
      for (const { boxes, notes, id } of own) {
        assert.ok(boxes.length > 0, id);
        assert.deepEqual(notes, [], id);
        for (const { phrase, in: side } of boxes) {
          assert.ok(phrase !== '' && phrase.length < 40, `${id}: ${phrase}`);
          assert.equal(side, task === 'identify' ? 'question' : 'answer');
        }
      }
    }
  });

  test('the page is whole, small, and readable by everyone; the data for programs has no pixels', async () => {
    const html = join(newFolder(), 'page.html');
    const { inspection } = await inspected(file, { set, html });
    const text = readFileSync(html, 'utf8');
    const page = parsePage(text);
    assert.deepEqual([page.faults, reachesOut(page), barriers(page)], [[], [], []]);
    assert.ok(text.length < 1_000_000, `${text.length} bytes`);
    assert.match(text, /Training data of stage2/);
    assert.doesNotMatch(JSON.stringify(inspectionData(inspection)), /data:image/);
    assert.match(inspectionText(inspection), /\[INST\] <Img><ImageHere><\/Img> \[refer\]/);
    // It may be written again, but not over what is no page.
    await inspected(file, { set, samples: 1, html });
    writeFileSync(html, 'mine');
    await assert.rejects(inspected(file, { set, html }), { code: 'E_OUT_FOREIGN' });
    assert.equal(readFileSync(html, 'utf8'), 'mine');
  });

  test('a run whose first stage is not there yet says that its vocabulary may differ', async () => {
    const { inspection } = await inspected(file, { set, samples: 1 });
    assert.match(inspection.notes.join(), /no\/such\/run, which is not there yet/);
  });

  test('wrong requests are refused', async () => {
    const code = (wanted: Wanted, other = file) =>
      inspected(other, { set, ...wanted }).then(
        () => 'nothing',
        (error: unknown) => (error instanceof TristageError ? error.code : String(error)),
      );
    assert.equal(await code({ samples: 0 }), 'E_USAGE');
    assert.equal(await code({ samples: Number.NaN }), 'E_USAGE');
    assert.equal(await code({ step: -1 }), 'E_USAGE');
    assert.equal(await code({ step: 100_000 }), 'E_INSPECT_STEP');
    assert.equal(await code({ source: 'emojis' }), 'E_INSPECT_SOURCE');
    assert.equal(await code({ set: [] }, 'configs/quickstart/vision.yaml'), 'E_INSPECT_STAGE');
  });
});

describe('the ledger of a run', () => {
  test('is summed up, and a folder that is no run is refused', async () => {
    const folder = newFolder();
    await assert.rejects(inspectLedger(folder), { code: 'E_INSPECT_RUN' });
    const entry = {
      step: 3,
      slot: 1,
      source: 'laion',
      index: 7,
      code: 'E_IMAGE',
      where: 'a.tar',
      cause: 'cut',
      replacedBy: 8,
    };
    writeFileSync(join(folder, 'bad-samples.jsonl'), `${JSON.stringify(entry)}\n`);
    const { summary, text } = await inspectLedger(folder);
    assert.equal(summary.replaced, 1);
    assert.match(text, /laion: 1 replaced/);
  });
});

const real = process.env['TRISTAGE_SAMPLE_DIR'];
const skip =
  real && existsSync(join(real, 'coco-extra')) ? false : 'TRISTAGE_SAMPLE_DIR names no folder with coco-extra/';

describe('real photos', { skip }, () => {
  test('photos are shown as the model sees them, boxes on what they name, below 3 MB at 448 pixels', async () => {
    const folder = newFolder();
    const html = join(folder, 'photos.html');
    const set = [`data.cache=${join(folder, 'index')}`, 'model.vision.imageSize=448', 'data.maxTokens=600'];
    const { inspection } = await inspected('configs/examples/photos.yaml', { set, html });
    const samples = inspection.rows.flatMap((row) => row.samples);
    assert.equal(samples.length, 24);
    assert.ok(samples.every(({ picture, cut, notes }) => picture !== undefined && cut === 0 && notes.length === 0));
    assert.ok(samples.some(({ task, boxes }) => task === 'refer' && boxes.length === 1));
    assert.ok(inspection.pictures.every(({ width, height, uri }) => width > 300 && height > 300 && uri.length > 4000));
    const page = parsePage(readFileSync(html, 'utf8'));
    assert.deepEqual([page.faults, reachesOut(page), barriers(page)], [[], [], []]);
    assert.ok(readFileSync(html).length < 3_000_000);
  });
});

/** Visual Genome's regions and TextCaps. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { textcaps } from '../../../datasets/textcaps.ts';
import { visualGenome } from '../../../datasets/visual-genome.ts';
import { formatBox } from '../../../lib/data/boxes.ts';
import { checkSample } from '../../../lib/data/sample.ts';
import { picture } from '../../data/make/shapes.ts';
import { makeTextcaps } from '../../data/make/text-in-images.ts';
import { makeVisualGenome } from '../../data/make/visual-genome.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { opened } from './open-source.ts';

const readJson = (path: string) => JSON.parse(readFileSync(path, 'utf8'));

describe('Visual Genome', () => {
  let root = '';
  before(async () => {
    root = temporaryFolder('tristage-vg-');
    await makeVisualGenome(root);
  });

  test('each region is a row, asked either way; photos lie in two folders', async () => {
    const samples = await opened(visualGenome, { root, task: 'refer' });
    assert.equal(samples.length, 12);
    const thing = picture(5).things[1];
    const last = samples.at(-1);
    assert.equal(last?.turns[0]?.question, `[refer] the ${thing.name} on the right`);
    assert.equal(last?.turns[0]?.answer, formatBox(last?.boxes?.[0] ?? [0, 0, 0, 0]));
    assert.deepEqual(last?.image, { path: join(root, 'VG_100K_2/2005.jpg') });
    const [identify] = await opened(visualGenome, { root, task: 'identify' });
    assert.equal(identify?.turns[0]?.answer, `the ${picture(0).things[0].name} on the left`);
  });

  test('older files say id where newer ones say image_id and region_id', async () => {
    const older = temporaryFolder('tristage-vg-');
    await makeVisualGenome(older);
    const edit = (name: string, change: (value: never) => unknown) =>
      writeFileSync(join(older, name), JSON.stringify(readJson(join(older, name)).map(change)));
    edit('image_data.json', ({ image_id, ...rest }: { image_id: number }) => ({ id: image_id, ...rest }));
    edit('region_descriptions.json', ({ regions, ...rest }: { regions: { region_id: number }[] }) => ({
      ...rest,
      regions: regions.map(({ region_id, ...region }) => ({ id: region_id, ...region })),
    }));
    const [one, other] = [await visualGenome.open({ root }), await visualGenome.open({ root: older })];
    assert.equal(other.fingerprint, one.fingerprint);
  });

  test('large regions are left out as in the original, or kept on request', async () => {
    assert.equal((await visualGenome.open({ root, maxArea: 26 * 26 })).length, 6);
    assert.equal((await visualGenome.open({ root, maxArea: 0 })).length, 12);
  });

  test('boxes with negative corners or over the edge are cut, those outside left out, unknown photos too', async () => {
    const faulty = temporaryFolder('tristage-vg-');
    await makeVisualGenome(faulty);
    const regions = readJson(join(faulty, 'region_descriptions.json'));
    Object.assign(regions[0].regions[0], { x: -4, y: -2, width: 20, height: 10 });
    Object.assign(regions[0].regions[1], { x: 90, width: 20 });
    Object.assign(regions[1].regions[0], { x: 300 });
    Object.assign(regions[1].regions[1], { phrase: ' ' });
    Object.assign(regions[2].regions[0], { width: 0 });
    regions[3].id = 5;
    writeFileSync(join(faulty, 'region_descriptions.json'), JSON.stringify(regions));
    const source = await visualGenome.open({ root: faulty, missing: 0 });
    const samples = await opened(visualGenome, { root: faulty });
    assert.equal(source.length, 7);
    assert.deepEqual(source.notes, [
      '2 rows left out, box outside the image: image 2001, region 20010: [300, 13, 25, 25] of 72 x 96, image 2002, region 20020: [4, 20, 0, 28] of 88 x 88',
      '1 row left out, no expression: image 2001, region 20011',
      '1 row left out, image unknown: image 5',
    ]);
    assert.deepEqual(samples[0]?.boxes, [[0, 0, 16 / 96, 8 / 72]]);
    assert.equal(samples[1]?.boxes?.[0]?.[2], 1);
    for (const sample of samples) checkSample(sample);
  });
});

describe('TextCaps', () => {
  test('each caption is a row and keeps its numbers, times and prices', async () => {
    const root = temporaryFolder('tristage-textcaps-');
    await makeTextcaps(root);
    const samples = await opened(textcaps, { root });
    assert.equal(samples.length, 6);
    const [left, right] = picture(0).things;
    assert.deepEqual(
      samples.slice(0, 2).map(({ turns }) => turns[0]?.answer),
      [`a sign reads open till 10:15 beside a ${left.name}`, `a tag of $3.50 on a ${right.name}`],
    );
    assert.match(samples[0]?.turns[0]?.question ?? '', /^\[caption\] /);
    assert.deepEqual(samples[5]?.image, { path: join(root, 'train_images/00a1b2c3d4e5f603.jpg') });
    assert.equal((await textcaps.open({ root, split: 'val' })).length, 2);
    rmSync(join(root, 'train_images/00a1b2c3d4e5f603.jpg'));
    assert.match((await textcaps.open({ root, missing: 0.5 })).notes[0] ?? '', /^2 rows left out, missing image/);
  });
});

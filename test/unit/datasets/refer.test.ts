/** RefCOCO, RefCOCO+ and RefCOCOg from REFER's files. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { refcoco } from '../../../datasets/refcoco.ts';
import { refcocoPlus } from '../../../datasets/refcoco-plus.ts';
import { refcocog } from '../../../datasets/refcocog.ts';
import { iou, parseBox } from '../../../lib/data/boxes.ts';
import { decodeImage } from '../../../lib/data/image.ts';
import { checkSample } from '../../../lib/data/sample.ts';
import { COCO_PHOTOS } from '../../data/make/coco-photos.ts';
import {
  makeRefcoco,
  makeRefcocog,
  makeRefcocoPlus,
  miniatureInstances,
  miniatureRefs,
  pickledRefs,
} from '../../data/make/refer.ts';
import { picture } from '../../data/make/shapes.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { drawing, opened } from './open-source.ts';

const SAMPLE_DIR = process.env['TRISTAGE_SAMPLE_DIR'];
const TRAIN_OBJECTS = 12;

async function folderWith(make: (dir: string) => Promise<void>): Promise<string> {
  const root = temporaryFolder('tristage-refer-');
  await make(root);
  return root;
}

/** A folder with these refs of the RefCOCO miniature and its instances. */
async function edited(change: {
  refs?: (refs: ReturnType<typeof miniatureRefs>) => unknown[];
  instances?: (instances: ReturnType<typeof miniatureInstances>) => unknown;
}): Promise<string> {
  const root = await folderWith(makeRefcoco);
  const [refs, instances] = [miniatureRefs(['testA', 'testB']), miniatureInstances()];
  writeFileSync(join(root, 'refcoco/refs(unc).p'), pickledRefs((change.refs?.(refs) ?? refs) as typeof refs));
  writeFileSync(join(root, 'refcoco/instances.json'), JSON.stringify(change.instances?.(instances) ?? instances));
  return root;
}

describe('RefCOCO, RefCOCO+ and RefCOCOg', () => {
  let root = '';
  before(async () => {
    root = await folderWith(makeRefcoco);
  });

  test('refer asks for the box of a drawn expression, one row for each object', async () => {
    const source = await refcoco.open({ root, task: 'refer' });
    assert.equal(source.length, TRAIN_OBJECTS);
    assert.deepEqual(source.notes, []);
    const sample = await source.get(3, drawing(1, 2));
    const thing = picture(1).things[1];
    assert.equal(sample.turns[0]?.question, `[refer] where is ${thing.shape} on the right ?`);
    const box = sample.boxes?.[0];
    assert.ok(box !== undefined && iou(parseBox(sample.turns[0]?.answer ?? '') ?? box, box) > 0.8);
    assert.deepEqual(sample.truth, { target: box, objects: [{ name: thing.shape, box }] });
    assert.deepEqual(sample.image, { path: join(root, 'train2014/COCO_train2014_000000000101.jpg') });
  });

  test('identify asks for an expression of the box; both are one definition', async () => {
    const [sample] = await opened(refcoco, { root, task: 'identify' });
    const [asked] = await opened(refcoco, { root, task: 'refer' });
    assert.equal(sample?.turns[0]?.question, `[identify] ${asked?.turns[0]?.answer}`);
    assert.equal(sample?.turns[0]?.answer, `the ${picture(0).things[0].name}`);
    assert.equal(sample?.task, 'identify');
  });

  test('splits are those of the file, and test takes all its test parts', async () => {
    const count = async (split: string) => (await refcoco.open({ root, split })).length;
    assert.deepEqual([await count('testA'), await count('testB'), await count('test')], [2, 2, 4]);
    await assert.rejects(refcoco.open({ root, split: 'val' }), { code: 'E_SOURCE' });
    await assert.rejects(refcocog.open({ root, split: 'testA' }), { code: 'E_SOURCE_OPTIONS' });
  });

  test('one row for each expression, as benchmarks count, with ids of their own', async () => {
    const samples = await opened(refcoco, { root, task: 'refer', split: 'test', each: 'expression' });
    assert.equal(samples.length, 8);
    assert.equal(new Set(samples.map(({ id }) => id)).size, 8);
    const [thing] = picture(6).things;
    assert.deepEqual(
      samples.slice(0, 2).map(({ turns }) => turns[0]?.question),
      [`[refer] the ${thing.name}`, `[refer] ${thing.shape} on the left`],
    );
  });

  test('the pickle and the same as JSON give the same rows', async () => {
    const json = await folderWith(makeRefcoco);
    rmSync(join(json, 'refcoco/refs(unc).p'));
    writeFileSync(join(json, 'refcoco/refs.json'), JSON.stringify(miniatureRefs(['testA', 'testB'])));
    const [one, other] = [await refcoco.open({ root }), await refcoco.open({ root: json })];
    assert.equal(other.fingerprint, one.fingerprint);
  });

  test('all three are found below the root, in its folder refer, or in the root itself', async () => {
    const together = temporaryFolder('tristage-refer-');
    await makeRefcocoPlus(join(together, 'refer'), join(together, 'coco'));
    await makeRefcocog(join(together, 'refer'), join(together, 'coco'));
    for (const [source, folder] of [
      [refcocoPlus, 'refcoco+'],
      [refcocog, 'refcocog'],
    ] as const) {
      for (const below of ['', 'refer', `refer/${folder}`]) {
        assert.equal((await source.open({ root: join(together, below) })).length, TRAIN_OBJECTS);
      }
    }
  });

  test('splits of another maker are another file', async () => {
    const both = await folderWith(makeRefcocog);
    const google = miniatureRefs(['val']).map((ref) => ({ ...ref, split: 'val' }));
    writeFileSync(join(both, 'refcocog/refs(google).p'), pickledRefs(google));
    assert.equal((await refcocog.open({ root: both, split: 'val', splitBy: 'google' })).length, 16);
    assert.equal((await refcocog.open({ root: both, split: 'val' })).length, 2);
    await assert.rejects(refcocoPlus.open({ root: both, splitBy: 'google' }), { code: 'E_SOURCE_OPTIONS' });
  });

  test('photos are found in several folders, under the names of 2014 and of 2017', async () => {
    const apart = await folderWith(makeRefcoco);
    mkdirSync(join(apart, 'more'));
    for (const { id } of COCO_PHOTOS.slice(0, 3)) {
      const number = String(id).padStart(12, '0');
      renameSync(join(apart, `train2014/COCO_train2014_${number}.jpg`), join(apart, `more/${number}.jpg`));
    }
    const samples = await opened(refcoco, { root: apart, images: ['train2014', join(apart, 'more')] });
    assert.equal(samples.length, TRAIN_OBJECTS);
    assert.deepEqual(samples[0]?.image, { path: join(apart, 'more/000000000100.jpg') });
    for (const sample of samples) await decodeImage(sample.image as { path: string });
  });

  test('files may have other names', async () => {
    const named = await folderWith(makeRefcoco);
    renameSync(join(named, 'refcoco/refs(unc).p'), join(named, 'mine.p'));
    const files = { refs: 'mine.p' };
    assert.equal((await refcoco.open({ root: named, files })).length, TRAIN_OBJECTS);
    await assert.rejects(refcoco.open({ root: named, files: { refs: 'nowhere.p' } }), { code: 'E_SOURCE' });
  });

  test('objects without box, size, expression or photo are left out, each with its reason', async () => {
    const root = await edited({
      refs: ([none, alone, blank, outside, ...rest]) => [
        { ...none, ann_id: 1 },
        { ...alone, image_id: 999 },
        { ...blank, sentences: [{ sent_id: 1, raw: '  ', sent: '', tokens: [] }] },
        { ...outside, ann_id: 10101 },
        ...rest,
      ],
      instances: ({ annotations, ...rest }) => ({
        ...rest,
        annotations: annotations.map((one) => (one.id === 10101 ? { ...one, bbox: [500, 10, 20, 20] } : one)),
      }),
    });
    rmSync(join(root, 'train2014/COCO_train2014_000000000102.jpg'));
    const source = await refcoco.open({ root, missing: 0.5 });
    assert.equal(source.length, TRAIN_OBJECTS - 6);
    assert.deepEqual(source.notes, [
      '2 rows left out, no box: ref 0: annotation 1, ref 1: annotation 10001',
      '1 row left out, no expression: ref 2',
      '1 row left out, box outside the image: ref 3: [500, 10, 20, 20] of 72 x 96',
      '2 rows left out, missing image: 000000000102.jpg',
    ]);
  });

  test('a box that reaches over the edge is cut at it', async () => {
    const root = await edited({
      instances: ({ annotations, ...rest }) => ({
        ...rest,
        annotations: annotations.map((one) => (one.id === 10000 ? { ...one, bbox: [-5, 10, 200, 20] } : one)),
      }),
    });
    const [sample] = await opened(refcoco, { root });
    assert.deepEqual(sample?.boxes, [[0, 10 / 72, 1, 30 / 72]]);
    assert.match(sample?.turns[0]?.answer ?? '', /^\{<0><13><100><41>\}$/);
    checkSample(sample as NonNullable<typeof sample>);
  });

  test('damaged and foreign files are errors of the data that name the file', async () => {
    const whole = readFileSync(join(root, 'refcoco/refs(unc).p'));
    const system = Buffer.from("cos\nsystem\n(S'true'\ntR.");
    const cases: unknown[] = [whole.subarray(0, 400), system, pickledRefs([{ ref_id: 1 } as never]), Buffer.from('N.')];
    for (const bytes of cases) {
      const broken = await folderWith(makeRefcoco);
      writeFileSync(join(broken, 'refcoco/refs(unc).p'), bytes as Uint8Array);
      await assert.rejects(refcoco.open({ root: broken }), (error: { code: string; kind: string; where: string }) => {
        assert.deepEqual([error.code, error.kind], ['E_SOURCE', 'data']);
        return error.where.includes('refs(unc).p');
      });
    }
    await assert.rejects(refcoco.open({ root: temporaryFolder('tristage-empty-') }), {
      code: 'E_SOURCE',
      kind: 'data',
    });
  });

  test('byte strings of Python 2 and protocol 0 are read', async () => {
    const old = await folderWith(makeRefcoco);
    const ref =
      "(lp0\n(dp1\nS'ref_id'\np2\nI7\nsS'ann_id'\nI10000\nsS'image_id'\nI100\nsS'category_id'\nI1\nsS'split'\nS'train'\nsS'file_name'\nS'x_7.jpg'\nsS'sent_ids'\n(lsS'sentences'\n(l(dS'raw'\nS'caf\\xe9 sign'\nsS'sent_id'\nL3L\nsaasa.";
    writeFileSync(join(old, 'refcoco/refs(unc).p'), ref.replace('aasa.', 'asa.'), 'latin1');
    const [sample] = await opened(refcoco, { root: old });
    assert.equal(sample?.id, '7');
    assert.equal(sample?.turns[0]?.question, '[refer] café sign');
  });
});

describe('the published records of the sample', {
  skip: SAMPLE_DIR === undefined ? 'TRISTAGE_SAMPLE_DIR is not set' : false,
}, () => {
  const root = join(SAMPLE_DIR ?? '', 'refer');
  const images = ['../coco/train2017', '../coco-extra/images'];
  test('all three are read from the pickle and from JSON, their boxes as published', async () => {
    for (const [source, split, file] of [
      [refcoco, 'testB', 'refcoco_testB'],
      [refcocoPlus, 'testB', 'refcoco+_testB'],
      [refcocog, 'val', 'refcocog_val'],
      [refcocog, 'test', 'refcocog_test'],
    ] as const) {
      const published = JSON.parse(readFileSync(join(root, `minigpt_eval/${file}.json`), 'utf8')) as Published[];
      for (const refs of readdirSync(join(root, source.name)).filter((name) => name.startsWith('refs'))) {
        const files = { refs: `${source.name}/${refs}` };
        const samples = await opened(source, { root, split, images, files, each: 'expression', task: 'refer' });
        assert.deepEqual(
          samples.map(({ truth }) => truth?.target?.map((side) => side.toFixed(6))).sort(),
          published.map(cornersOf).sort(),
        );
        for (const sample of samples) {
          checkSample(sample);
          await decodeImage(sample.image as { path: string });
        }
      }
    }
  });
  test('the photos are not where nobody said', async () => {
    await assert.rejects(refcoco.open({ root, split: 'testB' }), { code: 'E_SOURCE', kind: 'data' });
  });
});

interface Published {
  bbox: [number, number, number, number];
  width: number;
  height: number;
}

function cornersOf({ bbox: [x, y, w, h], width, height }: Published): string[] {
  const corners = [x / width, y / height, (x + w) / width, (y + h) / height];
  return corners.map((side) => Math.min(1, side).toFixed(6));
}

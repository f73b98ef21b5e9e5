import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { cocoCaption } from '../../../datasets/coco-caption.ts';
import { SOURCES } from '../../../datasets/index.ts';
import { decodeImage } from '../../../lib/data/image.ts';
import { checkSample } from '../../../lib/data/sample.ts';

const SAMPLE_DIR = process.env['TRISTAGE_SAMPLE_DIR'];
const folders: string[] = [];
after(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true }))));
const first = (): number => 0;

/** A folder with these files; a text or an object that is written as JSON. */
async function folderOf(files: Record<string, unknown>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tristage-coco-'));
  folders.push(folder);
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return folder;
}

const official = {
  images: [
    { id: 1, file_name: '000000000001.jpg' },
    { id: 2, file_name: '000000000002.jpg' },
  ],
  annotations: [
    { id: 11, image_id: 1, caption: 'A red cat.' },
    { id: 12, image_id: 2, caption: 'Two dogs!' },
    { id: 13, image_id: 1, caption: 'The cat, again.' },
  ],
};

test('the official form gives one sample for each caption, cleaned', async () => {
  const root = await folderOf({
    'annotations/captions_train2017.json': official,
    'train2017/000000000001.jpg': 'x',
    'train2017/000000000002.jpg': 'x',
  });
  const source = await cocoCaption.open({ root });
  assert.equal(source.length, 3);
  assert.deepEqual(source.notes, []);
  const sample = await source.get(2, first);
  assert.deepEqual(sample, {
    id: '13',
    source: 'coco-caption',
    task: 'caption',
    image: { path: join(root, 'train2017/000000000001.jpg') },
    turns: [{ question: sample.turns[0]?.question, answer: 'the cat, again' }],
  });
  assert.match(sample.turns[0]?.question ?? '', /^\[caption\] /);
  const raw = await cocoCaption.open({ root, text: 'verbatim' });
  assert.equal((await raw.get(0, first)).turns[0]?.answer, 'A red cat.');
});

test('images are found under the names of the other year', async () => {
  const root = await folderOf({
    'captions_train2014.json': { annotations: official.annotations },
    'images/COCO_train2014_000000000001.jpg': 'x',
    'val2014/COCO_val2014_000000000002.jpg': 'x',
  });
  const source = await cocoCaption.open({ root });
  assert.equal(source.length, 3);
});

test('rows without their image are counted and named', async () => {
  const root = await folderOf({ 'captions_train2017.json': official, 'train2017/000000000001.jpg': 'x' });
  const source = await cocoCaption.open({ root, missing: 0.5 });
  assert.equal(source.length, 2);
  assert.deepEqual(source.notes, ['1 row left out, missing image: 000000000002.jpg']);
});

test('a source without any image is an error when it is opened', async () => {
  const root = await folderOf({ 'captions_train2017.json': official });
  await assert.rejects(cocoCaption.open({ root }), { code: 'E_SOURCE', kind: 'data' });
  await assert.rejects(cocoCaption.open({ root: join(root, 'nowhere') }), {
    code: 'E_SOURCE',
    where: join(root, 'nowhere'),
  });
});

test('a Karpathy list gives the rows of train photos, and those of restval on request', async () => {
  const root = await folderOf({
    'coco_karpathy_train.json': [
      { caption: 'one', image: 'train2014/COCO_train2014_000000000001.jpg', image_id: 'coco_1' },
      { caption: 'two', image: 'val2014/COCO_val2014_000000000002.jpg', image_id: 'coco_2' },
    ],
    'train2017/000000000001.jpg': 'x',
    'val2014/COCO_val2014_000000000002.jpg': 'x',
  });
  assert.equal((await cocoCaption.open({ root })).length, 1);
  const all = await cocoCaption.open({ root, restval: true });
  assert.equal(all.length, 2);
  assert.deepEqual((await all.get(0, first)).image, { path: join(root, 'train2017/000000000001.jpg') });
});

test('lists for evaluation and Karpathy’s own file give each sentence', async () => {
  const root = await folderOf({
    'coco_karpathy_val.json': [{ caption: ['a', 'b'], image: 'val2014/COCO_val2014_000000000002.jpg' }],
    'dataset_coco.json': {
      images: [
        {
          filename: 'COCO_train2014_000000000001.jpg',
          cocoid: 1,
          split: 'train',
          sentences: [{ raw: 'c', sentid: 7 }],
        },
        {
          filename: 'COCO_val2014_000000000002.jpg',
          cocoid: 2,
          split: 'restval',
          sentences: [{ raw: 'd' }, { raw: 'e' }],
        },
        { filename: 'COCO_val2014_000000000002.jpg', cocoid: 2, split: 'val', sentences: [{ raw: 'f' }] },
      ],
    },
    'train2014/COCO_train2014_000000000001.jpg': 'x',
    'val2014/COCO_val2014_000000000002.jpg': 'x',
  });
  const annotations = join(root, 'dataset_coco.json');
  assert.equal((await cocoCaption.open({ root, split: 'val' })).length, 2);
  assert.equal((await cocoCaption.open({ root, annotations })).length, 1);
  assert.equal((await cocoCaption.open({ root, annotations, restval: true })).length, 3);
  assert.equal((await cocoCaption.open({ root, annotations, split: 'val' })).length, 1);
});

test('files of another shape are errors that name file and row', async () => {
  const wrong: unknown[] = [{}, [1], [{ caption: 3, image: 'train/a.jpg' }], { annotations: [{ caption: 'x' }] }];
  for (const content of wrong) {
    const root = await folderOf({ 'captions_train2017.json': content, 'train2017/000000000001.jpg': 'x' });
    await assert.rejects(cocoCaption.open({ root }), {
      code: 'E_SOURCE',
      where: join(root, 'captions_train2017.json'),
    });
  }
  for (const content of ['not json', 'null', '{"annotations": [{"image_id": 1, "caption": "x"}']) {
    const root = await folderOf({ 'captions_train2017.json': content, 'train2017/000000000001.jpg': 'x' });
    await assert.rejects(cocoCaption.open({ root }), { code: 'E_JSON', where: join(root, 'captions_train2017.json') });
  }
});

test('the fingerprint follows what the samples are, not where they lie', async () => {
  const files = {
    'captions_train2017.json': official,
    'train2017/000000000001.jpg': 'x',
    'train2017/000000000002.jpg': 'x',
  };
  const [here, there] = [await folderOf(files), await folderOf(files)];
  const { fingerprint } = await cocoCaption.open({ root: here });
  assert.equal((await cocoCaption.open({ root: there })).fingerprint, fingerprint);
  assert.notEqual((await cocoCaption.open({ root: there, text: 'verbatim' })).fingerprint, fingerprint);
  await rm(join(there, 'train2017/000000000002.jpg'));
  assert.notEqual((await cocoCaption.open({ root: there, missing: 0.5 })).fingerprint, fingerprint);
});

test('the names of sources are unique and each has a task', () => {
  assert.equal(new Set(SOURCES.map(({ name }) => name)).size, SOURCES.length);
  for (const source of SOURCES) assert.ok(source.tasks.length > 0 && source.summary.length > 0);
});

test('real photos and captions give samples whose images decode', {
  skip: SAMPLE_DIR === undefined ? 'TRISTAGE_SAMPLE_DIR is not set' : false,
}, async () => {
  for (const split of ['train', 'val']) {
    const source = await cocoCaption.open({ root: join(SAMPLE_DIR as string, 'coco'), split });
    assert.equal(source.length, 250);
    for (const index of [0, 77, 249]) {
      const sample = await source.get(index, first);
      checkSample(sample);
      const { width, height } = await decodeImage(sample.image as { path: string });
      assert.ok(width > 100 && height > 100);
    }
  }
});

/** Faults of the reference's data code that must not come back. Each test is named after the fault that it guards against. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { aokvqa } from '../../../datasets/aokvqa.ts';
import { cocoCaption } from '../../../datasets/coco-caption.ts';
import { SOURCES } from '../../../datasets/index.ts';
import { ocrvqa } from '../../../datasets/ocrvqa.ts';
import { okvqa } from '../../../datasets/okvqa.ts';
import { refcoco } from '../../../datasets/refcoco.ts';
import { refcocog } from '../../../datasets/refcocog.ts';
import { textcaps } from '../../../datasets/textcaps.ts';
import { visualGenome } from '../../../datasets/visual-genome.ts';
import { vqav2 } from '../../../datasets/vqav2.ts';
import { loadImage } from '../../../lib/data/image.ts';
import { makeCocoCaption } from '../../data/make/coco-caption.ts';
import { COCO_PHOTOS, cocoFileName, makeCocoPhotos } from '../../data/make/coco-photos.ts';
import { makeRefcoco, makeRefcocog, miniatureRefs, pickledRefs } from '../../data/make/refer.ts';
import { makeOcrvqa, makeTextcaps } from '../../data/make/text-in-images.ts';
import { makeVisualGenome } from '../../data/make/visual-genome.ts';
import { joinedVqa, makeAokvqa, makeOkvqa, makeVqav2 } from '../../data/make/vqa.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { opened, samplesOf } from './open-source.ts';

async function folderWith(...makers: ((dir: string) => Promise<void>)[]): Promise<string> {
  const root = temporaryFolder('tristage-faults-');
  for (const make of makers) await make(root);
  return root;
}

const idsOf = async (...[source, options]: Parameters<typeof opened>): Promise<number[]> =>
  (await opened(source, options)).map(({ image }) =>
    Number(/(\d{12})\.jpg$/.exec((image as { path: string }).path)?.[1]),
  );

/** Makers of the sources over COCO photos, each with its source. */
const OVER_COCO = [
  [refcoco, makeRefcoco],
  [vqav2, makeVqav2],
  [okvqa, makeOkvqa],
  [aokvqa, makeAokvqa],
  [cocoCaption, makeCocoCaption],
] as const;

test('a crop moved the picture under its boxes; here a box still holds its object after the transform', async () => {
  const root = await folderWith(makeRefcoco);
  const size = 112;
  for (const { image, boxes, turns } of await opened(refcoco, { root, task: 'identify' })) {
    const [box] = boxes ?? [];
    const pixels = await loadImage(image as { path: string }, { size, transform: 'pillow-bicubic' });
    const x = Math.floor(((box?.[0] ?? 0) + (box?.[2] ?? 0)) * 0.5 * size);
    const y = Math.floor(((box?.[1] ?? 0) + (box?.[3] ?? 0)) * 0.5 * size);
    const colour = Array.from(pixels.subarray((y * size + x) * 3, (y * size + x) * 3 + 3));
    assert.equal(nearestColour(colour), turns[0]?.answer.split(' ')[1]);
  }
});

test('cleaning ate numbers, times and long answers; by default only captions and expressions are cleaned so', async () => {
  const root = await folderWith(makeTextcaps, makeOcrvqa, makeRefcoco);
  const answers = (samples: Awaited<ReturnType<typeof opened>>) => samples.map(({ turns }) => turns[0]?.answer ?? '');
  assert.match(answers(await opened(textcaps, { root })).join(), /10:15.*\$3\.50/);
  assert.match(answers(await opened(ocrvqa, { root })).join(), / of 1\.5 days/);
  assert.match(answers(await opened(ocrvqa, { root, text: 'reference' })).join(), / of 1 5 days/);
  assert.match(answers(await opened(refcoco, { root, task: 'identify' }))[0] ?? '', /^the [a-z]+ [a-z]+$/);
});

test('the split was appended to the image folder and every row vanished silently; missing photos are an error', async () => {
  for (const [source, make] of OVER_COCO) {
    const root = await folderWith(make);
    assert.ok((await source.open({ root })).length > 0, source.name);
    for (const folder of readdirSync(root).filter((name) => /^(train|val)20/.test(name))) {
      renameSync(join(root, folder), join(root, `unknown-${folder}`));
    }
    await assert.rejects(source.open({ root }), (error: { code: string; kind: string; message: string }) => {
      assert.deepEqual([error.code, error.kind], ['E_SOURCE', 'data'], source.name);
      return error.message.includes('lacks images');
    });
  }
});

test('as many missing photos as a source bears are counted and named, one more is an error', async () => {
  const root = await folderWith(makeVqav2);
  rmSync(join(root, 'train2014/COCO_train2014_000000000101.jpg'));
  const source = await vqav2.open({ root, missing: 0.2 });
  assert.equal(source.length, 15);
  assert.deepEqual(source.notes, ['3 rows left out, missing image: 000000000101.jpg']);
  assert.equal((await vqav2.open({ root, missing: 3 / 18 })).length, 15);
  await assert.rejects(vqav2.open({ root }), { code: 'E_SOURCE', kind: 'data' });
});

test('VQAv2 val was trained on whenever its photos were there; only the original’s own name asks for it', async () => {
  const root = await folderWith(makeCocoPhotos);
  writeFileSync(join(root, 'vqa_train.json'), JSON.stringify(joinedVqa('train')));
  writeFileSync(join(root, 'vqa_val.json'), JSON.stringify(joinedVqa('val')));
  assert.ok((await idsOf(vqav2, { root })).every((id) => id < 106));
  assert.deepEqual(vqav2.aliases?.['coco_vqa'], { split: 'trainval' });
  assert.equal((await vqav2.open({ root, ...vqav2.aliases?.['coco_vqa'] })).length, 24);
});

test('the file name of a ref carries a suffix; the photo is found by its id', async () => {
  const root = await folderWith(makeRefcoco);
  const misleading = miniatureRefs(['testA']).map((ref) => ({
    ...ref,
    file_name: cocoFileName(COCO_PHOTOS[5] as never, 2014),
  }));
  writeFileSync(join(root, 'refcoco/refs(unc).p'), pickledRefs(misleading));
  assert.deepEqual((await idsOf(refcoco, { root })).slice(0, 4), [100, 100, 101, 101]);
});

test('answers were kept by photo and overwrote each other; every row has an id of its own', async () => {
  const root = await folderWith(makeRefcoco, makeVqav2, makeVisualGenome, makeOcrvqa, makeTextcaps, makeAokvqa);
  for (const source of [refcoco, vqav2, visualGenome, ocrvqa, textcaps, aokvqa]) {
    for (const options of source === refcoco ? [{ split: 'test', each: 'expression' }, { split: 'test' }] : [{}]) {
      const samples = await opened(source, { root, ...options });
      assert.equal(new Set(samples.map(({ id }) => id)).size, samples.length, source.name);
    }
  }
});

test('photos of val2014 lie in folders of 2017; they are found in several folders and both spellings', async () => {
  const root = await folderWith(makeOkvqa);
  mkdirSync(join(root, 'train2017'));
  const old = join(root, 'val2014/COCO_val2014_000000000107.jpg');
  renameSync(old, join(root, 'train2017/000000000107.jpg'));
  assert.deepEqual([...new Set(await idsOf(okvqa, { root, split: 'val' }))], [106, 107]);
});

test('the link to TextCaps’ photos led to those of Visual Genome; with them the source says what it lacks', async () => {
  const root = await folderWith(makeTextcaps);
  rmSync(join(root, 'train_images'), { recursive: true });
  await makeVisualGenome(root);
  await assert.rejects(textcaps.open({ root, images: ['VG_100K', 'VG_100K_2'] }), (error: { found: string }) =>
    error.found.startsWith('6 of 6 rows without an image, such as 00a1b2c3d4e5f601.jpg'),
  );
});

test('the description and the code spelt a file differently; both are read', async () => {
  const root = await folderWith(makeRefcocog);
  renameSync(join(root, 'refcocog/refs(umd).p'), join(root, 'refcocog/refs(und).p'));
  assert.equal((await refcocog.open({ root })).length, 12);
});

test('two builders had one name; no name and no other name of a source is there twice', () => {
  const names = SOURCES.flatMap(({ name, aliases }) => [name, ...Object.keys(aliases ?? {})]);
  assert.deepEqual(
    names.filter((name, place) => names.indexOf(name) !== place),
    [],
  );
});

test('sources printed their samples; nothing is written to the terminal', async (t) => {
  const root = await folderWith(makeRefcoco, makeVqav2);
  const written = [t.mock.method(process.stdout, 'write'), t.mock.method(process.stderr, 'write')];
  await samplesOf(await refcoco.open({ root }));
  await samplesOf(await vqav2.open({ root }));
  const calls = written.map(({ mock }) => mock.callCount());
  t.mock.restoreAll();
  assert.deepEqual(calls, [0, 0]);
});

test('photos of the referring benchmarks were trained on by other sources; a list of them leaves them out', async () => {
  const refs = await folderWith(makeRefcoco);
  const heldOut = miniatureRefs(['testA']).map((ref) => ({ ...ref, split: ref.image_id < 102 ? 'testA' : 'train' }));
  writeFileSync(join(refs, 'refcoco/refs(unc).p'), pickledRefs(heldOut));
  const lists = {
    'held-out.json': JSON.stringify(heldOut),
    'records.json': JSON.stringify([{ img_id: 'COCO_train2014_000000000100_3' }, { image_id: 101 }]),
    'ids.json': '[100, 101]',
    'names.txt': '100\n\nCOCO_train2014_000000000101.jpg\n',
  };
  for (const [source, make] of OVER_COCO) {
    const root = await folderWith(make);
    for (const [name, text] of Object.entries(lists)) writeFileSync(join(root, name), text);
    const everyone = new Set(await idsOf(source, { root }));
    for (const list of [join(refs, 'refcoco/refs(unc).p'), ...Object.keys(lists)]) {
      const exclude = [list];
      const left = new Set(await idsOf(source, { root, exclude }));
      assert.deepEqual(
        [...left],
        [...everyone].filter((id) => id > 101),
        `${source.name} ${list}`,
      );
    }
    const { notes, fingerprint } = await source.open({ root, exclude: ['ids.json'] });
    assert.match(notes.join(), /rows? left out, excluded image/);
    assert.notEqual(fingerprint, (await source.open({ root })).fingerprint);
  }
  const genome = await folderWith(makeVisualGenome);
  writeFileSync(join(genome, 'ids.txt'), '100\n');
  assert.equal((await visualGenome.open({ root: genome, exclude: ['ids.txt'] })).length, 10);
  writeFileSync(join(genome, 'ids.txt'), '\n');
  await assert.rejects(visualGenome.open({ root: genome, exclude: ['ids.txt'] }), { code: 'E_SOURCE' });
});

/** The colour of the miniatures' shapes that a pixel is. */
function nearestColour(pixel: readonly number[]): string | undefined {
  const colours = {
    red: [255, 0, 0],
    green: [0, 128, 0],
    blue: [0, 0, 255],
    white: [255, 255, 255],
    yellow: [255, 255, 0],
    black: [0, 0, 0],
    grey: [119, 119, 119],
  };
  const distance = (colour: readonly number[]) =>
    Math.hypot(...colour.map((value, place) => value - (pixel[place] ?? 0)));
  return Object.entries(colours).sort((one, other) => distance(one[1]) - distance(other[1]))[0]?.[0];
}

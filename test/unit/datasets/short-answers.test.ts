/** VQAv2, OK-VQA, A-OKVQA, GQA and OCR-VQA in the forms in which they are published. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { aokvqa } from '../../../datasets/aokvqa.ts';
import { gqa } from '../../../datasets/gqa.ts';
import { ocrvqa } from '../../../datasets/ocrvqa.ts';
import { okvqa } from '../../../datasets/okvqa.ts';
import { answerSample, countAnswers } from '../../../datasets/short-answers.ts';
import { vqav2 } from '../../../datasets/vqav2.ts';
import { checkSample } from '../../../lib/data/sample.ts';
import { makeCocoPhotos } from '../../data/make/coco-photos.ts';
import { picture } from '../../data/make/shapes.ts';
import { makeOcrvqa } from '../../data/make/text-in-images.ts';
import { makeGqa } from '../../data/make/visual-genome.ts';
import { joinedVqa, makeAokvqa, makeOkvqa, makeVqav2, officialVqa } from '../../data/make/vqa.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { drawing, first, opened, samplesOf } from './open-source.ts';

const SAMPLE_DIR = process.env['TRISTAGE_SAMPLE_DIR'];
const LONG = 'Based on the image, respond to this question with a short answer: ';

async function folderWith(make: (dir: string) => Promise<void>): Promise<string> {
  const root = temporaryFolder('tristage-vqa-');
  await make(root);
  return root;
}

const readJson = (path: string) => JSON.parse(readFileSync(path, 'utf8'));

describe('short answers', () => {
  const record = { question: 'At 10:15?', answers: countAnswers(['Yes', 'no', 'yes.', 'no', '3.5', ' ', 'no']) };
  const wording = { text: 'keep-numbers', answers: 'drawn' } as const;

  test('equal answers are joined and the most common stands first, or the publisher’s among equals', () => {
    assert.deepEqual(record.answers, [
      ['no', 3],
      ['Yes', 1],
      ['yes.', 1],
      ['3.5', 1],
    ]);
    assert.deepEqual(countAnswers(['a', 'b'], 'b')[0], ['b', 1]);
    assert.deepEqual(countAnswers(['a', 'a', 'b'], 'b')[0], ['a', 2]);
  });

  test('an answer is drawn as often as people gave it', () => {
    const drawn = Array.from({ length: 6 }, (_, draw) =>
      answerSample(record, { options: wording, pick: drawing(draw) }),
    );
    assert.deepEqual(
      drawn.map(({ turns }) => turns[0]?.answer),
      ['no', 'no', 'no', 'yes', 'yes', '3.5'],
    );
    const bounds: number[] = [];
    answerSample(record, { options: wording, pick: (bound) => bounds.push(bound) * 0 });
    assert.deepEqual(bounds, [6, 2]);
  });

  test('the most common answer can be taken always', () => {
    const { turns } = answerSample(record, { options: { ...wording, answers: 'most-common' }, pick: () => 1 });
    assert.deepEqual(turns, [{ question: `[vqa] ${LONG}at 10:15?`, answer: 'no' }]);
  });

  test('answers that the text rule leaves empty are never drawn', () => {
    const dots = { question: 'What is said?', answers: countAnswers(['...', '...', 'hello']) };
    const { turns } = answerSample(dots, { options: wording, pick: first });
    assert.equal(turns[0]?.answer, 'hello');
    const nothing = answerSample({ ...dots, answers: countAnswers(['...']) }, { options: wording, pick: first });
    assert.throws(() => checkSample({ id: '1', source: 'x', task: 'vqa', ...nothing }), { code: 'E_SAMPLE' });
  });
});

describe('VQAv2 and OK-VQA', () => {
  let root = '';
  before(async () => {
    root = await folderWith(makeVqav2);
  });

  test('the official pair gives each question with its photo, its answers and its kind', async () => {
    const source = await vqav2.open({ root });
    assert.equal(source.length, 18);
    const [colour, there, count] = await samplesOf(source);
    const [left, right] = picture(0).things;
    assert.deepEqual(colour?.turns, [{ question: `[vqa] what colour is the ${right.shape}?`, answer: right.colour }]);
    assert.deepEqual(colour?.image, { path: join(root, 'train2014/COCO_train2014_000000000100.jpg') });
    assert.equal(colour?.truth?.questionType, 'other');
    assert.equal(colour?.truth?.answers?.filter((answer) => answer === right.colour).length, 7);
    assert.equal(colour?.truth?.answers?.length, 10);
    assert.equal(there?.turns[0]?.question, `[vqa] is there a ${left.shape}?`);
    assert.deepEqual([there?.truth?.questionType, count?.truth?.questionType], ['yes/no', 'number']);
    assert.equal((await source.get(2, drawing(9))).turns[0]?.answer, '2.5');
  });

  test('the joined list of LAVIS gives the same questions, photos and answers', async () => {
    const joined = await folderWith(makeCocoPhotos);
    writeFileSync(join(joined, 'vqa_train.json'), JSON.stringify(joinedVqa('train')));
    const strip = (samples: Awaited<ReturnType<typeof opened>>, at: string) =>
      samples.map(({ id, turns, image }) => [id, turns, (image as { path: string }).path.replace(at, '')]);
    assert.deepEqual(strip(await opened(vqav2, { root: joined }), joined), strip(await opened(vqav2, { root }), root));
  });

  test('train does not take photos of val, and trainval takes both', async () => {
    const joined = await folderWith(makeCocoPhotos);
    writeFileSync(join(joined, 'vqa_train.json'), JSON.stringify([...joinedVqa('train'), ...joinedVqa('val')]));
    const source = await vqav2.open({ root: joined });
    assert.equal(source.length, 18);
    assert.match(source.notes[0] ?? '', /^6 rows left out, photo of another split: question 106000/);
    assert.equal((await vqav2.open({ root, split: 'trainval' })).length, 24);
    assert.equal((await vqav2.open({ root, split: 'val' })).length, 6);
  });

  test('questions and annotations in different orders are joined by their ids', async () => {
    const mixed = await folderWith(makeVqav2);
    const path = join(mixed, 'v2_mscoco_train2014_annotations.json');
    const { annotations, ...head } = readJson(path);
    writeFileSync(path, JSON.stringify({ ...head, annotations: annotations.slice(1).reverse() }));
    const source = await vqav2.open({ root: mixed });
    assert.equal(source.length, 17);
    assert.deepEqual(source.notes, ['1 row left out, no answer: question 100000']);
    for (const { id, turns } of await samplesOf(source)) {
      const asked = officialVqa('train', () => '').questions.questions.find(
        ({ question_id }) => String(question_id) === id,
      );
      assert.equal(turns[0]?.question.slice('[vqa] '.length), asked?.question.toLowerCase());
    }
  });

  test('files may have other names, and then all their rows count', async () => {
    const named = await folderWith(makeVqav2);
    renameSync(join(named, 'v2_mscoco_val2014_annotations.json'), join(named, 'a.json'));
    renameSync(join(named, 'v2_OpenEnded_mscoco_val2014_questions.json'), join(named, 'q.json'));
    const files = { questions: 'q.json', annotations: 'a.json' };
    assert.equal((await vqav2.open({ root: named, files })).length, 6);
    await assert.rejects(vqav2.open({ root: named, files: { annotations: 'a.json' } }), { code: 'E_SOURCE_OPTIONS' });
    await assert.rejects(vqav2.open({ root: named, split: 'val' }), { code: 'E_SOURCE' });
  });

  test('OK-VQA has the same form and other names', async () => {
    const own = await folderWith(makeOkvqa);
    const [sample] = await opened(okvqa, { root: own });
    assert.equal(sample?.source, 'okvqa');
    assert.equal(sample?.truth?.questionType, 'four');
    assert.equal((await okvqa.open({ root: own, split: 'val' })).length, 6);
    await assert.rejects(vqav2.open({ root: own }), { code: 'E_SOURCE' });
  });

  test('files of another shape are errors that name them', async () => {
    for (const content of ['not json', '[1]', '[{"question_id": 1}]', '{"annotations": [{}]}', '{"other": []}', '']) {
      const broken = await folderWith(makeVqav2);
      writeFileSync(join(broken, 'v2_mscoco_train2014_annotations.json'), content);
      await assert.rejects(vqav2.open({ root: broken }), (error: { kind: string; where: string }) => {
        assert.equal(error.kind, 'data', content);
        return error.where.includes('v2_mscoco_train2014_annotations.json');
      });
    }
  });

  test('real questions and answers', {
    skip: SAMPLE_DIR === undefined ? 'TRISTAGE_SAMPLE_DIR is not set' : false,
  }, async () => {
    const samples = await opened(vqav2, {
      root: join(SAMPLE_DIR ?? '', 'vqa'),
      files: { questions: 'v2_questions_sample.json', annotations: 'v2_annotations_sample.json' },
      images: ['../coco/train2017', '../coco/val2017', '../coco-extra/images'],
    });
    assert.equal(samples.length, 25);
    assert.deepEqual(samples[0]?.turns, [
      { question: '[vqa] approximately what time of day was the picture taken?', answer: 'evening' },
    ]);
    for (const sample of samples) checkSample(sample);
  });
});

describe('A-OKVQA', () => {
  test('trains on the free answers; the right choice is an option', async () => {
    const root = await folderWith(makeAokvqa);
    const source = await aokvqa.open({ root });
    assert.equal(source.length, 6);
    const [, right] = picture(0).things;
    assert.equal((await source.get(0, drawing(9))).turns[0]?.answer, `${right.colour} paint`);
    assert.equal((await source.get(0, first)).turns[0]?.answer, right.colour);
    const choices = await aokvqa.open({ root, from: 'choice' });
    assert.equal((await choices.get(0, drawing(0, 1))).turns[0]?.answer, right.colour);
    assert.equal((await aokvqa.open({ root, split: 'val' })).length, 2);
  });

  test('the copy of LAVIS names the photo; rows without answers are left out', async () => {
    const root = await folderWith(makeAokvqa);
    const rows = readJson(join(root, 'aokvqa_v1p0_train.json'));
    const copies = rows.map(({ image_id, ...row }: { image_id: number }, place: number) => ({
      ...row,
      image: `train2017/${String(image_id).padStart(12, '0')}.jpg`,
      direct_answers: place === 0 ? [] : (row as { direct_answers?: string[] }).direct_answers,
    }));
    writeFileSync(join(root, 'aokvqa_v1p0_train.json'), JSON.stringify(copies));
    const source = await aokvqa.open({ root });
    assert.equal(source.length, 5);
    assert.match(source.notes[0] ?? '', /^1 row left out, no answer: question mini0/);
  });
});

describe('GQA', () => {
  let root = '';
  before(async () => {
    root = await folderWith(makeGqa);
  });

  test('the official object gives each question with its kind', async () => {
    const samples = await opened(gqa, { root });
    assert.equal(samples.length, 8);
    const [left, right] = picture(0).things;
    assert.equal(samples[0]?.id, '020000');
    assert.deepEqual(samples[0]?.turns, [
      { question: `[vqa] what is to the right of the ${left.shape}?`, answer: right.shape },
    ]);
    assert.deepEqual(samples[0]?.image, { path: join(root, 'images/2000.jpg') });
    assert.deepEqual(
      samples.slice(0, 2).map(({ truth }) => truth?.questionType),
      ['query', 'choose'],
    );
    assert.equal((await gqa.open({ root, split: 'testdev' })).length, 2);
  });

  test('the list of LAVIS goes by the same name and is told apart by what it holds', async () => {
    const list = await folderWith(makeGqa);
    const path = join(list, 'train_balanced_questions.json');
    const official = Object.entries<{ question: string; imageId: string; answer: string }>(readJson(path));
    const rows = official.map(([id, { question, imageId, answer }]) => ({
      image: `${imageId}.jpg`,
      question,
      answer,
      question_id: id,
    }));
    writeFileSync(path, JSON.stringify(rows));
    const [one, other] = [await opened(gqa, { root }), await opened(gqa, { root: list })];
    assert.deepEqual(
      other.map(({ id, turns }) => [id, turns]),
      one.map(({ id, turns }) => [id, turns]),
    );
  });

  test('all questions may lie in ten files of a folder', async () => {
    const many = await folderWith(makeGqa);
    const all = Object.entries(readJson(join(many, 'train_balanced_questions.json')));
    mkdirSync(join(many, 'train_all_questions'));
    for (let shard = 0; shard < 10; shard++) {
      const own = Object.fromEntries(all.filter((_, place) => place % 10 === shard));
      writeFileSync(join(many, `train_all_questions/train_all_questions_${shard}.json`), JSON.stringify(own));
    }
    assert.equal((await gqa.open({ root: many, balanced: false })).length, all.length);
    rmSync(join(many, 'train_all_questions/train_all_questions_7.json'));
    await assert.rejects(gqa.open({ root: many, balanced: false }), { code: 'E_SOURCE' });
  });
});

describe('OCR-VQA', () => {
  test('each question of a book of the split is a row; images have the extension of their address', async () => {
    const root = await folderWith(makeOcrvqa);
    const samples = await opened(ocrvqa, { root });
    assert.equal(samples.length, 9);
    assert.deepEqual(samples[1]?.turns, [
      { question: '[vqa] what is the title of this book?', answer: 'the red square tales of 1.5 days 2nd ed' },
    ]);
    assert.equal(samples[6]?.id, '000123452X-0');
    assert.deepEqual(samples[6]?.image, { path: join(root, 'images/000123452X.png') });
    assert.equal((await ocrvqa.open({ root, split: 'test' })).length, 3);
    assert.equal((await opened(ocrvqa, { root, text: 'verbatim' }))[0]?.turns[0]?.answer, 'Dr. A. blue');
  });

  test('books whose questions and answers are not paired are left out', async () => {
    const root = await folderWith(makeOcrvqa);
    const books = readJson(join(root, 'dataset.json'));
    books['000123450X'].answers.pop();
    books['000123451X'].answers[2] = '';
    writeFileSync(join(root, 'dataset.json'), JSON.stringify(books));
    const source = await ocrvqa.open({ root });
    assert.equal(source.length, 5);
    assert.deepEqual(source.notes, [
      '1 row left out, questions and answers not paired: book 000123450X: 3 and 2',
      '1 row left out, no question or no answer: book 000123451X, question 2',
    ]);
  });
});

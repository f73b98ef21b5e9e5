/** What predict refuses before it opens anything, how it words a question, and where its pictures go. */
import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { predictionText } from '../../../lib/run/predict-answer.ts';
import { picturePaths } from '../../../lib/run/predict-pictures.ts';
import { type CheckedRequest, checkQuestion, engineOf, instructionFor } from '../../../lib/run/predict-request.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const photo = { width: 200, height: 100, name: 'a.jpg' };

function asking(given: Partial<CheckedRequest>): CheckedRequest {
  return { images: ['a.jpg'], task: 'caption', question: '', maxTokens: 10, batch: 2, ...given };
}

const worded = (given: Partial<CheckedRequest>) => instructionFor(checkQuestion(asking(given)), photo).instruction;

describe('the question of predict', () => {
  test('each identifier words it as evaluation does; conversation and text are free', () => {
    assert.equal(worded({}), '[caption] please describe this image?');
    assert.equal(worded({ task: 'grounding' }), '[grounding] describe this image in detail');
    assert.equal(worded({ task: 'detection', question: ' red apple ' }), '[detection] red apple');
    assert.equal(worded({ task: 'refer', question: 'the dog' }), '[refer] give me the location of the dog');
    assert.match(worded({ task: 'vqa', question: 'how many?' }), /^\[vqa\] .*: how many\?$/);
    assert.equal(worded({ task: 'conversation', question: 'What is odd here?' }), 'What is odd here?');
    assert.equal(worded({ task: 'text', images: [], question: 'Tell a joke' }), 'Tell a joke');
  });

  test('a box is asked about in pixels, in fractions and in the form of answers, alike', () => {
    const box = '[identify] what object is in this location {<29><20><58><90>}';
    for (const given of [
      { box: '58,20,116,90' },
      { box: '0.29,0.2,0.58,0.9' },
      { box: '{<29><20><58><90>}' },
      { question: '{<29><20><58><90>}' },
    ])
      assert.equal(worded({ task: 'identify', ...given }), box, JSON.stringify(given));
  });

  test('options that do not go together are refused', () => {
    const cases: [Partial<CheckedRequest>, RegExp][] = [
      [{ task: 'capton' }, /no such task/],
      [{ question: 'b.jpg' }, /takes no question/],
      [{ task: 'vqa' }, /needs a question/],
      [{ task: 'text', question: 'x' }, /about no image/],
      [{ task: 'vqa', question: 'x', images: [] }, /about an image/],
      [{ task: 'conversation', question: 'x', images: [], out: 'x.png' }, /drawn on an image/],
      [{ task: 'identify' }, /needs a box/],
      [{ task: 'identify', question: 'the dog' }, /needs a box/],
      [{ task: 'identify', question: 'the dog', box: '0,0,1,1' }, /one box/],
      [{ task: 'vqa', question: 'x', box: '0,0,1,1' }, /takes no --box/],
      [{ maxTokens: 0 }, /length of the answer/],
      [{ maxTokens: Number.NaN }, /length of the answer/],
      [{ batch: 0.5 }, /images at once/],
    ];
    for (const [given, message] of cases) {
      assert.throws(
        () => checkQuestion(asking(given)),
        { code: 'E_PREDICT', kind: 'usage', message },
        JSON.stringify(given),
      );
    }
    assert.throws(() => checkQuestion(asking({ task: 'identify', box: '1,2' })), { code: 'E_BOX_ARGUMENT' });
    assert.throws(() => engineOf('tourch'), { code: 'E_PREDICT' });
  });
});

describe('pictures of predict', () => {
  const one = (file: string) => ({ files: [file], several: false });

  test('one image goes to the file that is named, or into a folder', () => {
    const folder = temporaryFolder('tristage-pictures-');
    const to = (out: string) => [...picturePaths(out, one('x/a.gif')).values()];
    assert.deepEqual(to(join(folder, 'new/boxes.webp')), [join(folder, 'new/boxes.webp')]);
    assert.deepEqual(to(folder), [join(folder, 'a.png')]);
    assert.deepEqual(to(`${folder}/new/`), [join(folder, 'new/a.png')]);
  });

  test('several images keep their names in the folder; equal ones are numbered', () => {
    const folder = temporaryFolder('tristage-pictures-');
    const files = ['x/a.jpg', 'y/a.jpg', 'y/A.JPG', 'b.tiff'];
    const paths = picturePaths(folder, { files, several: true });
    assert.deepEqual([...paths.keys()], files);
    assert.deepEqual(
      [...paths.values()],
      ['a.jpg', 'a-2.jpg', 'A-3.JPG', 'b.png'].map((name) => join(folder, name)),
    );
  });

  test('what cannot be a picture or a folder is refused', () => {
    const folder = temporaryFolder('tristage-pictures-');
    writeFileSync(join(folder, 'file'), '');
    const several = { files: ['a.jpg', 'b.jpg'], several: true };
    for (const [out, images] of [
      ['boxes.bmp', one('a.jpg')],
      ['boxes', one('a.jpg')],
      ['boxes.png', several],
      [join(folder, 'file'), several],
      [join(folder, 'file/boxes.png'), one('a.jpg')],
    ] as const)
      assert.throws(() => picturePaths(out, images), { code: 'E_OUT', where: out });
  });

  test('no image that is asked about is written over, under any of its names', () => {
    const folder = temporaryFolder('tristage-pictures-');
    const image = join(folder, 'a.jpg');
    writeFileSync(image, '');
    mkdirSync(join(folder, 'sub'));
    symlinkSync(folder, join(folder, 'sub/link'));
    for (const out of [image, `${folder}/sub/../a.jpg`, join(folder, 'sub/link/a.jpg'), folder])
      assert.throws(() => picturePaths(out, one(image)), { code: 'E_OUT' }, out);
  });
});

test('an answer is told with its boxes in both units, as --box takes them', () => {
  const answered = {
    image: 'a.jpg',
    task: 'detection' as const,
    question: 'dog',
    instruction: '[detection] dog',
    answer: 'said',
    ended: true,
    boxes: [
      { phrase: 'dog', fractions: [0, 0.1, 0.2, 0.3] as const, pixels: [0, 9.6, 20, 30] as const },
      { fractions: [0, 0, 1, 1] as const, pixels: [0, 0, 1000, 100] as const },
    ],
  };
  assert.equal(
    predictionText(answered, false),
    ['said', 'box  0,10,20,30 px    0.00,0.10,0.20,0.30  dog', 'box  0,0,1000,100 px  0.00,0.00,1.00,1.00'].join('\n'),
  );
  assert.match(predictionText(answered, true), /^a\.jpg\n {2}said\n {2}box/);
  const { image: _, ...free } = { ...answered, boxes: [{ fractions: [0, 0, 1, 1] as const }] };
  assert.equal(predictionText(free, false), 'said\nbox  0.00,0.00,1.00,1.00');
});

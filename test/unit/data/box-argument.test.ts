import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { boxOnImage, parseTypedBox } from '../../../lib/data/box-argument.ts';

const photo = { width: 640, height: 480, name: 'photo.jpg' };
const refused = (found: RegExp) => (error: unknown) => {
  const { code, kind, found: said } = error as { code: string; kind: string; found: string };
  assert.deepEqual([code, kind], ['E_BOX_ARGUMENT', 'usage']);
  assert.match(said, found);
  return true;
};

describe('a typed box', () => {
  test('four numbers up to 1 are fractions, also the whole image', () => {
    assert.deepEqual(parseTypedBox('0.1,0.25,.5,1'), { unit: 'fractions', corners: [0.1, 0.25, 0.5, 1] });
    assert.deepEqual(parseTypedBox('1e-7,0,1E-1,1').corners, [1e-7, 0, 0.1, 1]);
    assert.deepEqual(parseTypedBox('0,0,1,1'), { unit: 'fractions', corners: [0, 0, 1, 1] });
    assert.deepEqual(boxOnImage(parseTypedBox('0.1,0.25,.5,1'), photo), [0.1, 0.25, 0.5, 1]);
  });

  test('one number above 1 makes all of them pixels, which need the size of the image', () => {
    const box = parseTypedBox(' 64, 96,320 ,480');
    assert.deepEqual(box, { unit: 'pixels', corners: [64, 96, 320, 480] });
    assert.deepEqual(boxOnImage(box, photo), [0.1, 0.2, 0.5, 1]);
    assert.deepEqual(boxOnImage(parseTypedBox('0,1,64,48.5'), photo), [0, 1 / 480, 0.1, 48.5 / 480]);
  });

  test('the form of the answers is read as it stands', () => {
    assert.deepEqual(parseTypedBox('{<10><20><50><100>}'), { unit: 'fractions', corners: [0.1, 0.2, 0.5, 1] });
    assert.throws(() => parseTypedBox('{<50><20><10><90>}'), refused(/<50>/));
  });

  test('a mixture of fractions and pixels is refused', () => {
    assert.throws(() => parseTypedBox('0.5,0.5,200,300'), refused(/some numbers are fractions/));
  });

  test('anything but four numbers in order is refused, saying what was found', () => {
    const cases: [string, RegExp][] = [
      ['', /1 numbers/],
      ['1,2,3', /3 numbers/],
      ['1,2,3,4,5', /5 numbers/],
      ['1,,3,4', /empty number/],
      ['a,2,3,4', /a in a,2,3,4/],
      ['1e,2,3000,4', /1e in/],
      ['1e999,2,3000,4', /1e999/],
      ['0x10,2,30,40', /0x10/],
      ['NaN,0,1,1', /NaN/],
      ['-5,0,10,10', /-5/],
      ['10,10,10,20', /10,10,10,20/],
      ['0.5,0.9,0.8,0.1', /0\.9/],
      ['{<10><20><50><101>}', /1 numbers/],
    ];
    for (const [text, found] of cases) assert.throws(() => parseTypedBox(text), refused(found), text);
  });

  test('pixels outside the image are refused, naming image and size', () => {
    const outside = (text: string) => () => boxOnImage(parseTypedBox(text), photo);
    for (const text of ['0,0,641,480', '0,0,640,481']) {
      assert.throws(outside(text), refused(/0,0,6/));
      assert.throws(outside(text), { where: 'photo.jpg', expected: /640 x 480/ });
    }
    assert.deepEqual(outside('0,0,640,480')(), [0, 0, 1, 1]);
  });
});

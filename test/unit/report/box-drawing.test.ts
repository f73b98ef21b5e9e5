import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import sharp from 'sharp';
import { boxesSvg } from '../../../lib/report/box-drawing.ts';
import { textPath, textWidth } from '../../../lib/report/label-font.ts';
import { placeLabels } from '../../../lib/report/label-placement.ts';
import { isPictureName, writePicture } from '../../../lib/report/picture.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const SIZE = { width: 200, height: 160 };
const grey = { ...SIZE, data: new Uint8Array(200 * 160 * 3).fill(120) };

/** u8[height, width, 3] of a drawing over grey. */
async function rendered(svg: string, format: string): Promise<(x: number, y: number) => number[]> {
  const path = join(temporaryFolder('tristage-picture-'), `picture${format}`);
  await writePicture(path, grey, svg);
  const { data, info } = await sharp(readFileSync(path)).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  assert.deepEqual([info.width, info.height], [200, 160]);
  return (x, y) => [...data.subarray((y * 200 + x) * 3, (y * 200 + x) * 3 + 3)];
}

describe('drawing boxes', () => {
  test('the frame lies on the edges of the box, in its colour, and leaves the inside alone', async () => {
    const svg = boxesSvg({ ...SIZE, boxes: [{ box: [0.25, 0.25, 0.75, 0.75], colour: '#ff0000' }] });
    for (const format of ['.png', '.jpg', '.webp']) {
      const at = await rendered(svg, format);
      const near = (found: number[], wanted: number[]) => found.every((value, c) => Math.abs(value - wanted[c]!) < 24);
      for (const [x, y] of [
        [50, 80],
        [150, 80],
        [100, 40],
        [100, 120],
      ] as const)
        assert.ok(near(at(x, y), [255, 0, 0]), `${format} ${x},${y}: ${at(x, y)}`);
      assert.ok(near(at(100, 80), [120, 120, 120]), format);
      assert.ok(near(at(10, 10), [120, 120, 120]), format);
    }
  });

  test('letters are outlines, so that no font of the machine is asked for, and they show', async () => {
    const boxes = [{ box: [0.25, 0.5, 0.75, 0.9] as const, label: 'HHHH', colour: '#ffffff' }];
    const svg = boxesSvg({ ...SIZE, boxes });
    assert.doesNotMatch(svg, /<text|font/);
    const [label] = placeLabels({ ...SIZE, boxes }).labels;
    assert.ok(label);
    const at = await rendered(svg, '.png');
    let dark = 0;
    for (let y = label.y; y < label.y + label.height; y++)
      for (let x = label.x; x < label.x + label.width; x++) if (at(x, y)[0]! < 128) dark += 1;
    const share = dark / (label.width * label.height);
    assert.ok(share > 0.15 && share < 0.6, `${share} of the label is letters`);
  });

  test('equal labels look equal, different ones do not, and a colour of its own wins', () => {
    const box = [0.1, 0.1, 0.4, 0.4] as const;
    const svg = boxesSvg({
      ...SIZE,
      boxes: [
        { box, label: 'Dog' },
        { box, label: 'cat' },
        { box, label: 'dog ' },
        { box, colour: '#123456' },
      ],
    });
    const colours = [...svg.matchAll(/stroke="(#[0-9a-f]{6})" stroke-width="2"/g)].map((match) => match[1]);
    assert.equal(colours.length, 4);
    assert.equal(colours[0], colours[2]);
    assert.notEqual(colours[0], colours[1]);
    assert.equal(colours[3], '#123456');
  });

  test('labels and colours cannot leave their attribute', () => {
    const svg = boxesSvg({
      ...SIZE,
      boxes: [{ box: [0, 0, 1, 1], label: '"><script>&', colour: '"/><image href="x' }],
    });
    assert.doesNotMatch(svg, /<script|<image/);
    assert.equal(svg.match(/<rect/g)?.length, 3);
  });

  test('a true box is told from an answered one by broken lines', () => {
    const svg = boxesSvg({ ...SIZE, boxes: [{ box: [0, 0, 1, 1], dashed: true }, { box: [0, 0, 1, 1] }] });
    assert.equal(svg.match(/stroke-dasharray/g)?.length, 2);
  });

  test('only the kinds of picture that can be written count as such', () => {
    assert.deepEqual(['a.png', 'A.JPG', 'x.webp', 'x.gif', 'png'].map(isPictureName), [true, true, true, false, false]);
  });
});

describe('letters', () => {
  test('a text is as wide as its letters and begins where it is put', () => {
    assert.equal(textWidth('', 20), 0);
    assert.ok(Math.abs(textWidth('ab', 20) - textWidth('a', 20) - textWidth('b', 20)) < 1e-9);
    assert.ok(Math.abs(textWidth('dog', 40) - 2 * textWidth('dog', 20)) < 1e-9);
    const numbers = (path: string) => path.match(/-?\d+(\.\d+)?/g)!.map(Number);
    const [left, moved] = [0, 100].map((x) => numbers(textPath('H', { x, y: 0, size: 20 })));
    assert.ok(left!.length > 8);
    assert.deepEqual(
      moved!.map((value, place) => +(value - left![place]!).toFixed(1)),
      left!.map((_, place) => (place % 2 ? 0 : 100)),
    );
  });

  test('long labels break at spaces, and what has no space ends in an ellipsis', () => {
    const box = [0, 0, 0.5, 0.5] as const;
    const words = placeLabels({ ...SIZE, boxes: [{ box, label: 'the small dog behind the tree' }] }).labels[0]!;
    assert.ok(words.lines.length > 1);
    assert.equal(words.lines.join(' '), 'the small dog behind the tree');
    const long = placeLabels({ ...SIZE, boxes: [{ box, label: 'x'.repeat(200) }] }).labels[0]!;
    assert.match(long.lines.join(''), /^x+…$/);
  });

  test('line breaks, control characters and empty labels do not show', () => {
    const boxes = ['a\n\tb\u0007', ' ', '\u200b'].map((label) => ({ box: [0, 0, 1, 1] as const, label }));
    assert.deepEqual(
      placeLabels({ ...SIZE, boxes }).labels.map(({ lines }) => lines),
      [['a b']],
    );
  });

  test('labels without any room are named', () => {
    const boxes = Array.from({ length: 30 }, () => ({ box: [0, 0, 1, 1] as const, label: 'giraffe' }));
    const { labels, leftOut } = placeLabels({ width: 60, height: 40, boxes });
    assert.ok(labels.length > 0);
    assert.equal(labels.length + leftOut.length, 30);
  });
});

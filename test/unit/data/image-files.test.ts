import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, test } from 'node:test';
import sharp from 'sharp';
import { asksForRotation, imageFiles } from '../../../lib/data/image-files.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

function photos(...names: string[]): string {
  const folder = temporaryFolder('tristage-images-');
  for (const name of names) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), '');
  }
  return folder;
}

describe('image files', () => {
  test('one file is one file, also where its name looks like a pattern or is nowhere', async () => {
    const folder = photos('a[1].png', 'b*.png', 'b1.png');
    for (const name of ['a[1].png', 'b*.png', 'none.png', 'b1.png/x.png']) {
      assert.deepEqual(await imageFiles([join(folder, name)]), { files: [join(folder, name)], several: false });
    }
    assert.deepEqual(await imageFiles([]), { files: [], several: false });
  });

  test('a pattern gives the files that match, by name, and counts as several even with one', async () => {
    const folder = photos('b.png', 'a.PNG', 'c.txt', 'deep/d.png', 'e1.jpg', 'e2.jpg');
    const found = async (pattern: string) => {
      const { files, several } = await imageFiles([join(folder, pattern)]);
      assert.equal(several, true);
      return files.map((file) => relative(folder, file));
    };
    assert.deepEqual(await found('*.png'), ['a.PNG', 'b.png']);
    assert.deepEqual(await found('**/*.png'), ['a.PNG', 'b.png', 'deep/d.png']);
    assert.deepEqual(await found('e[1].jpg'), ['e1.jpg']);
    assert.deepEqual(await found('{c,b}.*'), ['b.png', 'c.txt']);
  });

  test('a folder gives its images and nothing else, whatever characters its name has', async () => {
    const folder = photos('x (1) [a]/b.png', 'x (1) [a]/a.jpeg', 'x (1) [a]/notes.txt', 'x (1) [a]/deep/c.png');
    const { files, several } = await imageFiles([join(folder, 'x (1) [a]')]);
    assert.deepEqual(
      files.map((file) => relative(folder, file)),
      ['x (1) [a]/a.jpeg', 'x (1) [a]/b.png'],
    );
    assert.equal(several, true);
  });

  test('several words keep their order, and each file comes once', async () => {
    const folder = photos('a.png', 'b.png', 'c.png');
    const [a, b, c] = ['a.png', 'b.png', 'c.png'].map((name) => join(folder, name));
    const { files, several } = await imageFiles([c!, join(folder, '*.png'), `${folder}/./a.png`]);
    assert.deepEqual(files, [c, a, b]);
    assert.equal(several, true);
  });

  test('a relative pattern gives relative names', async () => {
    const folder = photos('a.png');
    const from = relative(process.cwd(), folder);
    assert.deepEqual((await imageFiles([join(from, '*.png')])).files, [join(from, 'a.png')]);
  });

  test('a pattern or folder without images is an error that names it', async () => {
    const folder = photos('notes.txt');
    for (const word of [folder, join(folder, '*.png')]) {
      await assert.rejects(imageFiles([word]), { code: 'E_IMAGE', where: word });
    }
  });

  test('a photo says whether it is to be rotated before it is shown', async () => {
    const folder = temporaryFolder('tristage-images-');
    const plain = sharp({ create: { width: 4, height: 2, channels: 3, background: '#336699' } });
    for (const [name, orientation] of [
      ['upright.jpg', 1],
      ['sideways.jpg', 6],
    ] as const) {
      await plain.clone().withMetadata({ orientation }).jpeg().toFile(join(folder, name));
      assert.equal(await asksForRotation(join(folder, name)), orientation !== 1);
    }
    await plain.png().toFile(join(folder, 'plain.png'));
    assert.equal(await asksForRotation(join(folder, 'plain.png')), false);
  });
});

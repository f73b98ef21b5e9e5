import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { flickr30k } from '../../../datasets/flickr30k.ts';
import { joinTokens, parseAnnotation, parseSentence } from '../../../datasets/flickr30k-entities.ts';
import { parsePhrases } from '../../../lib/data/boxes.ts';
import { checkSample } from '../../../lib/data/sample.ts';
import { makeFlickr30k, makeFlickr30kFinished } from '../../data/make/flickr30k.ts';
import { writeContent } from '../../data/make/pictures.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const first = (): number => 0;

async function raw(): Promise<string> {
  const root = temporaryFolder('tristage-flickr-');
  await makeFlickr30k(root);
  return root;
}

describe('flickr30k', () => {
  test('a grounded caption keeps its words and gives each phrase all boxes of its chain', async () => {
    const root = await raw();
    const source = await flickr30k.open({ root });
    assert.equal(source.length, 2);
    const sample = await source.get(0, first);
    checkSample(sample);
    assert.deepEqual(sample.image, { path: join(root, 'flickr30k-images/1000092795.jpg') });
    assert.equal(
      sample.turns[0]?.answer,
      '<p>A man</p> {<0><0><50><50>} in <p>a red hat</p> {<10><50><30><100>} with <p>a cup</p> {<30><50><50><75>} stands by ' +
        '<p>two women</p> {<50><0><75><100>}<delim>{<75><0><100><100>}, <p>his friend</p> {<0><0><50><50>} near a lake.',
    );
    assert.match(sample.turns[0]?.question ?? '', /^\[grounding\] /);
    assert.equal(sample.boxes?.length, 6);
  });

  test('an object of several chains gives its box to each, and scenes have none', async () => {
    const { boxes } = parseAnnotation(await readFile(join(await raw(), 'Annotations/1000092795.xml'), 'utf8'))!;
    assert.deepEqual([...boxes.keys()], ['1', '2', '3', '4', '6']);
    assert.deepEqual(boxes.get('1'), boxes.get('2'));
  });

  test('corners count from one: a box over the whole picture is the whole picture', () => {
    const xml =
      '<annotation><size><width>90</width><height>70</height></size><object><name>1</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>90</xmax><ymax>70</ymax></bndbox></object></annotation>';
    assert.deepEqual(parseAnnotation(xml)?.boxes.get('1'), [[0, 0, 1, 1]]);
  });

  test('a caption asks for all its phrases, a phrase for all objects it was used for', async () => {
    const root = await raw();
    const caption = await flickr30k.open({ root, task: 'detection' });
    assert.equal(caption.length, 8);
    const [turn] = (await caption.get(0, first)).turns;
    assert.equal(
      turn?.question,
      '[detection] A man in a red hat with a cup stands by two women, his friend near a lake.',
    );
    assert.deepEqual(
      parsePhrases(turn?.answer ?? '').map(({ phrase, boxes }) => [phrase, boxes.length]),
      [
        ['A man', 1],
        ['a red hat', 1],
        ['a cup', 1],
        ['two women', 2],
        ['his friend', 1],
      ],
    );
    const phrase = await flickr30k.open({ root, task: 'detection', from: 'phrase' });
    assert.equal(phrase.length, 10);
    const samples = await Promise.all([0, 3].map(async (index) => (await phrase.get(index, first)).turns[0]));
    assert.deepEqual(samples, [
      { question: '[detection] a man', answer: '<p>a man</p> {<0><0><50><50>}' },
      { question: '[detection] two women', answer: '<p>two women</p> {<50><0><75><100>}<delim>{<75><0><100><100>}' },
    ]);
  });

  test('a phrase that means different objects in different sentences is answered with all of them', async () => {
    const root = await raw();
    await writeContent(
      join(root, 'Sentences/1000092795.txt'),
      '[/EN#1/people A man] sits .\n[/EN#4/people a man] runs .',
    );
    const source = await flickr30k.open({ root, task: 'detection', from: 'phrase' });
    assert.equal(
      (await source.get(0, first)).turns[0]?.answer,
      '<p>a man</p> {<0><0><50><50>}<delim>{<10><50><30><100>}',
    );
  });

  test('sentences with few grounded phrases are left out of grounding, and counted', async () => {
    const source = await flickr30k.open({ root: await raw(), minPhrases: 2 });
    assert.equal(source.length, 4);
    assert.match(source.notes.join('\n'), /too few grounded phrases/);
  });

  test('sentences that the publisher lists as unrelated to their photo are left out', async () => {
    const root = await raw();
    const before = await flickr30k.open({ root });
    await writeContent(join(root, 'UNRELATED_CAPTIONS'), '# format: <imageID> <sentence number>\n1000092795 1\n');
    const source = await flickr30k.open({ root });
    assert.equal(source.length, before.length - 1);
    assert.match(source.notes.join('\n'), /unrelated sentence: Sentences\/1000092795.txt, line 1/);
    assert.equal((await source.get(0, first)).id, '10002456-1');
  });

  test('splits are the lists of the publisher, and all needs none', async () => {
    const root = await raw();
    assert.equal((await flickr30k.open({ root, split: 'val' })).length, 1);
    await rm(join(root, 'train.txt'));
    await assert.rejects(flickr30k.open({ root }), { code: 'E_SOURCE', where: join(root, 'train.txt') });
    assert.equal((await flickr30k.open({ root, split: 'all' })).length, 2);
  });

  test('damaged files of a photo are named and do not stop the rest', async () => {
    const root = await raw();
    const path = join(root, 'Annotations/1000092795.xml');
    const xml = await readFile(path, 'utf8');
    for (const bad of [xml.slice(0, 300), 'no xml', '<annotation><size><width>0</width></size></annotation>', '']) {
      await writeFile(path, bad);
      const source = await flickr30k.open({ root });
      assert.equal(source.length, 1);
      assert.match(source.notes.join('\n'), /damaged annotation/);
    }
    await writeFile(path, xml);
    await writeFile(join(root, 'Sentences/1000092795.txt'), '[/EN#1/people A man in [/EN#2/other a hat .\n');
    assert.match((await flickr30k.open({ root })).notes.join('\n'), /damaged sentence/);
  });

  test('boxes without area inside the photo are left out and counted', async () => {
    const root = await raw();
    const path = join(root, 'Annotations/1000092795.xml');
    await writeFile(path, (await readFile(path, 'utf8')).replace('<xmax>30</xmax>', '<xmax>3</xmax>'));
    const source = await flickr30k.open({ root, minPhrases: 4 });
    assert.match(source.notes.join('\n'), /box without area/);
    assert.match((await source.get(0, first)).turns[0]?.answer ?? '', /in a red hat with <p>a cup/);
  });

  test('the files of MiniGPT-v2 are recognised and their strings kept as they are', async () => {
    const root = temporaryFolder('tristage-flickr-');
    await makeFlickr30kFinished(root);
    const wanted: readonly [options: Record<string, unknown>, turn: RegExp][] = [
      [{}, /^\[grounding\] .*\|<p>a man<\/p> \{<0><0><50><50>\} beside .* at a lake\.$/],
      [{ task: 'detection' }, /^\[detection\] a man beside two women\|<p>a man<\/p> .*<p>two women/],
      [{ task: 'detection', from: 'phrase' }, /^\[detection\] a man\|<p>a man<\/p> \{<0><0><50><50>\}$/],
    ];
    for (const [options, expected] of wanted) {
      const source = await flickr30k.open({ root, ...options });
      assert.equal(source.length, 2);
      const sample = await source.get(1, first);
      checkSample(sample);
      assert.match(`${sample.turns[0]?.question}|${sample.turns[0]?.answer}`, expected);
      assert.ok((sample.boxes?.length ?? 0) > 0);
    }
  });

  test('finished strings whose boxes are none are left out', async () => {
    const root = temporaryFolder('tristage-flickr-');
    await makeFlickr30kFinished(root);
    const id = '1000092795';
    await writeContent(join(root, 'groundedcaption.json'), [
      { image_id: id, grounded_caption: '<p>a man</p> {<0><0><50><500>}' },
      { image_id: id, grounded_caption: '<p>a man</p> {<0><0><50>} and <p>a hat</p> {<0><0><50><50>}' },
      { image_id: id, grounded_caption: 'a man' },
      { image_id: id, grounded_caption: '<p>a man</p> {<0><0><50><50>}' },
      { image_id: id },
    ]);
    const source = await flickr30k.open({ root });
    assert.equal(source.length, 1);
    assert.match(source.notes.join('\n'), /well-formed/);
    assert.equal((await source.get(0, first)).id, '3');
  });

  test('without annotations it says which it looked for', async () => {
    await assert.rejects(flickr30k.open({ root: temporaryFolder('tristage-flickr-') }), {
      code: 'E_SOURCE',
      expected: /groundedcaption.json, or the folders Sentences and Annotations/,
    });
  });

  test('sentences split at their marks, and tokens join to a text', () => {
    assert.deepEqual(parseSentence("[/EN#7/people/other A boy 's dog] runs , [/EN#0/notvisual it] does n't bark !"), [
      { text: "A boy 's dog", chain: '7' },
      { text: ' runs , ' },
      { text: 'it' },
      { text: " does n't bark !" },
    ]);
    assert.equal(joinTokens("A boy 's dog runs , it does n't bark !"), "A boy's dog runs, it doesn't bark!");
    assert.equal(parseSentence('<p>a</p>'), undefined);
  });
});

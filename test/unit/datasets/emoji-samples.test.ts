import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type EmojiOptions,
  emojiScenes,
  openScenes,
  resolveEmoji,
} from '../../../datasets/emoji-scenes/emoji-scenes.ts';
import { TURN_KINDS, taskOfTurn } from '../../../datasets/emoji-scenes/turns.ts';
import { QUESTION_TYPES } from '../../../datasets/emoji-scenes/visual-questions.ts';
import { sha256 } from '../../../lib/core/hash.ts';
import { checkSample, type Sample } from '../../../lib/data/sample.ts';
import type { OpenSource } from '../../../lib/data/source.ts';
import { checkSampleOfScene, colourSeen } from './emoji-oracle.ts';
import { counting } from './emoji-support.ts';

const open = (options: Record<string, unknown> = {}) => emojiScenes.open({ root: '.', task: 'vqa', ...options });
const all = async (source: OpenSource, count = source.length): Promise<Sample[]> => {
  const pick = counting();
  return Promise.all(Array.from({ length: count }, (_, index) => source.get(index, pick)));
};
const EVERY = Object.fromEntries(TURN_KINDS.map((kind) => [kind, 2])) as NonNullable<EmojiOptions['turns']>;

describe('samples of emoji scenes', () => {
  test('every answer of every kind is right, in both splits and in crowded scenes', async () => {
    for (const split of ['train', 'heldout'] as const) {
      const options = {
        split,
        count: 120,
        turns: EVERY,
        repeat: 0.5,
        minObjects: 1,
        maxObjects: 4,
        minSide: 24,
        maxSide: 40,
      };
      const source = await open(options);
      const set = await openScenes(options);
      const samples = await all(source);
      const perScene = source.samplesPerImage!;
      for (const [index, sample] of samples.entries()) {
        const scene = set.scene(Math.floor(index / perScene));
        checkSample(sample);
        assert.deepEqual(
          sample.truth!.objects,
          scene.objects.map(({ name, box }) => ({ name, box })),
        );
        checkSampleOfScene(sample, colourSeen(scene));
      }
      const types = new Set(samples.flatMap(({ truth }) => truth!.questionType ?? []));
      assert.deepEqual([...types].sort(), [...QUESTION_TYPES].sort());
      assert.deepEqual(new Set(samples.map(({ task }) => task)), new Set(TURN_KINDS.map(taskOfTurn)));
    }
  });

  test('samples of one run show one image object, samples of the next run another', async () => {
    const source = await open({ count: 3, turns: { refer: 2, identify: 1, where: 1 } });
    assert.deepEqual([source.length, source.samplesPerImage], [12, 4]);
    const samples = await all(source);
    for (const [index, { image }] of samples.entries()) assert.equal(image, samples[index - (index % 4)]!.image);
    assert.equal(new Set(samples.map(({ image }) => image)).size, 3);
    assert.equal(new Set(samples.map(({ id }) => id)).size, 12);
    await assert.rejects(source.get(12, counting()), RangeError);
  });

  test('equal options give equal samples, any in any order', async () => {
    const hash = (samples: readonly Sample[]) =>
      sha256(
        JSON.stringify(samples.map(({ image, ...rest }) => [rest, sha256((image as { pixels: Uint8Array }).pixels)])),
      );
    const [one, other] = [await open({ count: 100, turns: EVERY }), await open({ count: 100, turns: EVERY })];
    assert.equal(one.fingerprint, other.fingerprint);
    const forward = await Promise.all(Array.from({ length: 400 }, (_, index) => one.get(index, () => 0)));
    const backward = await Promise.all(Array.from({ length: 400 }, (_, index) => other.get(399 - index, () => 0)));
    assert.equal(hash(forward), hash(backward.reverse()));
  });

  test('what changes the samples changes the fingerprint', async () => {
    const variants = [
      {},
      { seed: 1 },
      { split: 'heldout' },
      { task: 'refer' },
      { turns: { refer: 1 } },
      { repeat: 0 },
      { classes: ['dog', 'car', 'tree'] },
      { minSide: 30 },
      { rounding: 'round' },
      { wording: 'evaluation' },
    ];
    const prints = await Promise.all(
      variants.map(async (options) => (await open({ count: 4, ...options })).fingerprint),
    );
    // One turn of a task by itself is the same as that turn by name.
    assert.equal(new Set(prints).size, variants.length - 1);
    assert.equal(prints[3], prints[4]);
  });

  test('held-out questions are asked in the words of evaluation, training ones in many', async () => {
    const turns = { refer: 1, caption: 1 };
    const words = async (split: string) =>
      new Set(
        (await all(await open({ split, count: 60, turns }))).map(({ turns: [turn] }) =>
          turn!.question.replace(/(left |right |upper |lower )?(dog|car|tree|apple|star|fish|house|butterfly)/, 'X'),
        ),
      );
    assert.deepEqual([...(await words('heldout'))].sort(), [
      '[caption] please describe this image?',
      '[refer] give me the location of X',
    ]);
    assert.ok((await words('train')).size > 15);
  });

  test('two turns of one kind ask for different objects where there are two', async () => {
    const source = await open({ count: 60, minObjects: 2, repeat: 0, turns: { refer: 2, identify: 2 } });
    const samples = await all(source);
    for (let at = 0; at < samples.length; at += 2) {
      assert.notDeepEqual(samples[at]!.boxes, samples[at + 1]!.boxes);
    }
  });

  test('yes and no, and the single and double of how many, all occur often', async () => {
    const answers = async (type: string) => {
      const samples = await all(await open({ count: 400, turns: { [type]: 1 } }));
      return samples.filter(({ truth }) => truth!.questionType === type).map(({ turns: [turn] }) => turn!.answer);
    };
    const share = (found: string[], answer: string) => found.filter((one) => one === answer).length / found.length;
    assert.ok(Math.abs(share(await answers('exists'), 'yes') - 0.5) < 0.1);
    const many = await answers('how-many');
    for (const answer of ['1', '2']) assert.ok(share(many, answer) > 0.04, answer);
    assert.ok(!many.includes('0'), 'absence is asked by exists');
  });

  test('options that contradict each other are config errors', async () => {
    const wrong = [
      { minSide: 50, maxSide: 40 },
      { maxSide: 200 },
      { minObjects: 3, maxObjects: 2 },
      { classes: ['dog', 'car'], maxObjects: 3 },
      { classes: ['dog', 'dog', 'car'] },
      { turns: {} },
      { turns: { refr: 1 } },
      { classes: ['dog', 'unicorn'] },
      { split: 'test' },
      { count: 0 },
    ];
    for (const options of wrong) {
      await assert.rejects(open(options), { code: 'E_SOURCE_OPTIONS', kind: 'config' }, JSON.stringify(options));
    }
  });

  test('sizes of objects follow the size of the image', () => {
    const { minSide, maxSide } = resolveEmoji({ imageSize: 224 });
    assert.deepEqual([minSide, maxSide], [72, 112]);
  });
});

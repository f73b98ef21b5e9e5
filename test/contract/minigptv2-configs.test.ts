/** configs/minigptv2 says what docs/recipes.md derives: the released table of stage 3, and from it the rates of stages 1 and 2. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { SOURCES } from '../../datasets/index.ts';
import { miniGpt } from '../e2e/full-size.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const RECIPES = readFileSync(join(ROOT, 'docs/recipes.md'), 'utf8');
const LAYOUT = readFileSync(join(ROOT, 'docs/sources.md'), 'utf8');

/** The released file: name, samples of one process in a step, sample_ratio. */
const RELEASED: readonly (readonly [name: string, batch: number, ratio: number])[] = [
  ['multitask_conversation', 2, 50],
  ['llava_conversation', 2, 30],
  ['unnatural_instruction', 1, 10],
  ['refvg', 6, 40],
  ['llava_detail', 4, 20],
  ['llava_reason', 4, 80],
  ['flickr_grounded_caption', 2, 80],
  ['flickr_CaptionToPhrase', 2, 80],
  ['flickr_ObjectToPhrase', 2, 80],
  ['coco_caption', 6, 10],
  ['textcaps_caption', 6, 30],
  ['refcoco', 6, 25],
  ['refcocop', 6, 25],
  ['refcocog', 6, 25],
  ['invrefcoco', 6, 10],
  ['invrefcocop', 6, 10],
  ['invrefcocog', 6, 10],
  ['coco_vqa', 6, 15],
  ['ok_vqa', 6, 8],
  ['aok_vqa', 6, 12],
  ['gqa', 6, 50],
  ['ocrvqa', 6, 30],
];

/** Those that the paper has in stages 1 and 2 too. */
const TASKS = RELEASED.filter(([name]) => !/^(llava|flickr|multitask|unnatural)/.test(name));
/** Weak data: source, task, millions of images. */
const WEAK = [
  ['laion', 'caption', 115],
  ['cc3m', 'caption', 3],
  ['sbu', 'caption', 1],
  ['grit', 'refer', 20],
  ['grit', 'identify', 20],
  ['grit', 'grounding', 20],
] as const;
const RATE_OF_A_MILLION = 5;

/** The source and options that a name of the released file stands for here. */
function meantBy(name: string): Record<string, unknown> {
  for (const source of SOURCES) {
    const [task] = source.tasks;
    const usual = source.tasks.length === 1 || name === source.name ? { task } : {};
    const options = source.aliases?.[name] ?? (source.name === name ? {} : undefined);
    if (options !== undefined) return { source: source.name, ...usual, ...options };
  }
  throw new Error(`nothing is meant by ${name}`);
}

const linesOf = (stage: 1 | 2 | 3) => miniGpt(stage).config.data.mixture.sources;

/** Each line has at least these keys. */
function assertLines(lines: readonly Record<string, unknown>[], expected: readonly Record<string, unknown>[]): void {
  assert.equal(lines.length, expected.length);
  for (const [place, want] of expected.entries()) {
    const got = Object.fromEntries(Object.keys(want).map((key) => [key, lines[place]?.[key]]));
    assert.deepEqual(got, want, `line ${place}`);
  }
}

describe('configs/minigptv2', () => {
  test('stage 3 is the released table: 22 lines in its order, drawn batch by batch, 3.904 samples a step', () => {
    const { mixture } = miniGpt(3).config.data;
    assert.equal(mixture.unit, 'batch');
    assertLines(
      mixture.sources,
      RELEASED.map(([name, batch, rate]) => ({ ...meantBy(name), batch, rate })),
    );
    const sum = RELEASED.reduce((total, [, , ratio]) => total + ratio, 0);
    assert.deepEqual([RELEASED.length, sum], [22, 730]);
    const samples = mixture.sources.reduce((total, { rate, batch = 0 }) => total + rate * batch, 0) / sum;
    assert.equal(samples.toFixed(3), '3.904');
  });

  test('each line of stage 3 has its released name behind it', () => {
    const text = readFileSync(join(ROOT, 'configs/minigptv2/stage3.yaml'), 'utf8');
    const names = [...text.matchAll(/- \{ source: .* # released config: (\w+)$/gm)].map((match) => match[1]);
    assert.deepEqual(
      names,
      RELEASED.map(([name]) => name),
    );
  });

  test('stage 2 has the tasks of the paper at the released rates', () => {
    const lines = linesOf(2);
    const wanted = TASKS.map(([name, , rate]) => ({ ...meantBy(name), rate }));
    const key = (line: Record<string, unknown>): string => `${line['source']} ${line['task']}`;
    const byKey = (a: Record<string, unknown>, b: Record<string, unknown>) => (key(a) < key(b) ? -1 : 1);
    assertLines([...lines].sort(byKey), [...wanted].sort(byKey));
    assert.equal(
      lines.reduce((sum, { rate }) => sum + rate, 0),
      300,
    );
  });

  test('stage 1 has the weak data at five for each million images, and behind it the lines of stage 2', () => {
    const lines = linesOf(1);
    assertLines(
      lines.slice(0, WEAK.length),
      WEAK.map(([source, task, millions]) => ({ source, task, rate: RATE_OF_A_MILLION * millions })),
    );
    assert.deepEqual(lines.slice(WEAK.length), linesOf(2));
  });

  test('docs/recipes.md has the rate of each line and the shares that follow', () => {
    for (const stage of [1, 2, 3] as const) {
      const lines = linesOf(stage);
      const weights = lines.map(({ rate, batch = 1 }) => rate * batch);
      const all = weights.reduce((sum, weight) => sum + weight, 0);
      const [, section = ''] = RECIPES.split(`\n## Stage ${stage}`);
      const [table = ''] = section.split('\n## ');
      for (const [place, { source, task, rate }] of lines.entries()) {
        const share = ((100 * (weights[place] as number)) / all).toFixed(2);
        const row = new RegExp(
          `^\\| \`${source.replace('+', '\\+')}\`[^|]*\\| ${task} +\\|[^\\n]*\\| +${rate} \\|.* ${share} \\|$`,
          'm',
        );
        assert.match(table, row, `stage ${stage}: ${source} ${task} ${rate} ${share}`);
      }
    }
  });

  test('every root is a folder of the layout in docs/sources.md', () => {
    const [, layout = ''] = /\n {4}data\/\n([\s\S]*?)\n\n/.exec(LAYOUT) ?? [];
    for (const { root } of [...linesOf(1), ...linesOf(3)]) {
      const [, folder] = /^data\/([a-z0-9-]+)$/.exec(root) ?? [];
      assert.ok(folder !== undefined, root);
      assert.ok(layout.includes(` ${folder}/`), root);
    }
  });
});

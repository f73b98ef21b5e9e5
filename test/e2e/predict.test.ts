/** `tristage predict` on a run that has learnt one answer by heart: what it prints, writes, refuses, and how it ends. */
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import sharp from 'sharp';
import { registry } from '../../bin/registry.ts';
import { parsePhrases } from '../../lib/data/boxes.ts';
import type { CliOutcome } from '../contract/cli-child.ts';
import { testEngine } from '../support/engine.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const ROOT = resolve(import.meta.dirname, '../..');
/** The plain backend of tfjs is no engine of a run. */
const engine = testEngine() === 'cpu' ? 'torch' : testEngine();

const RUN = `version: 1
name: byheart
stage: stage2-multitask
engine: { backend: ${engine}, device: cpu }
model:
  vocabulary: pruned
  vision: { imageSize: 28, patch: 7, width: 16, depth: 1, heads: 2, mlpHidden: 32 }
  llm: { vocabulary: 32000, width: 32, layers: 1, heads: 2, mlpHidden: 64 }
data: { mixture: { sources: [{ source: emoji-scenes, task: detection, imageSize: 28, count: 1 }] } }
train: { steps: 120, globalBatch: 2, optimizer: { lr: 0.02 }, trainable: [projector, llm], schedule: { warmupSteps: 0 } }
`;

interface Document {
  ok: boolean;
  image: string;
  size: { width: number; height: number };
  task: string;
  instruction: string;
  asked?: { fractions: number[]; pixels: number[] };
  answer: string;
  boxes: { phrase?: string; fractions: number[]; pixels: number[] }[];
  ended: boolean;
  picture?: string;
  errors?: { code: string; where: string }[];
}

describe('predict', { timeout: 300_000 }, () => {
  const folder = temporaryFolder('tristage-predict-');
  const run = join(folder, 'run');
  const at = (name: string) => join(folder, name);
  const learnt = { question: '', answer: '' };
  const child = fork(join(ROOT, 'test/contract/cli-child.ts'), { execArgv: ['--import', 'tsx'], cwd: ROOT });
  after(() => child.disconnect());

  const tristage = (...args: string[]): Promise<CliOutcome> =>
    new Promise((done, fail) => {
      child.once('message', (outcome: CliOutcome) => {
        child.removeListener('error', fail);
        done(outcome);
      });
      child.once('error', fail);
      child.send({ args, env: { NO_COLOR: '1' } });
    });
  const predict = (...args: string[]) => tristage('predict', '--checkpoint', run, ...args);
  const detect = (...args: string[]) => predict('--task', 'detection', ...args, learnt.question);

  before(async () => {
    const source = registry.sources.find(({ name }) => name === 'emoji-scenes');
    const options = source!.options.parse({ imageSize: 28, count: 1 });
    const scenes = await source!.open({ ...options, root: '', task: 'detection' });
    const { turns, image } = await scenes.get(0, () => 0);
    const [turn] = turns;
    Object.assign(learnt, { question: turn!.question.replace('[detection] ', ''), answer: turn!.answer });
    writeFileSync(at('run.yaml'), RUN);
    const { status, stderr } = await tristage('train', at('run.yaml'), '--out', run);
    assert.equal(status, 0, stderr);
    assert.ok(image && 'pixels' in image);
    const raw = { width: image.width, height: image.height, channels: 3 as const };
    const photo = sharp(image.pixels, { raw }).resize(300, 200, { fit: 'fill' });
    await photo.clone().png().toFile(at('photo.png'));
    mkdirSync(at('many'));
    for (const name of ['b.jpg', 'a.png']) await photo.clone().toFile(join(at('many'), name));
    writeFileSync(join(at('many'), 'cut.png'), readFileSync(at('photo.png')).subarray(0, 60));
    await photo.clone().withMetadata({ orientation: 6 }).jpeg().toFile(at('sideways.jpg'));
  });

  test('it says what was learnt, with typed boxes, and draws them with their label', async () => {
    const picture = at('drawn/boxes.png');
    const { status, stdout, stderr } = await detect('--image', at('photo.png'), '--out', picture, '--json');
    assert.equal(status, 0, stderr);
    const said = JSON.parse(stdout) as Document;
    assert.equal(said.answer, learnt.answer);
    const [wanted] = parsePhrases(learnt.answer);
    const [found] = said.boxes;
    assert.equal(said.boxes.length, wanted!.boxes.length);
    assert.equal(found!.phrase, learnt.question);
    assert.deepEqual(found!.fractions, [...wanted!.boxes[0]!]);
    assert.deepEqual(
      found!.pixels,
      found!.fractions.map((side, place) => Math.round(side * (place % 2 ? 200 : 300) * 100) / 100),
    );
    assert.deepEqual([said.ok, said.task, said.ended, said.picture], [true, 'detection', true, picture]);
    assert.deepEqual(said.size, { width: 300, height: 200 });
    const [drawn, plain] = await Promise.all(
      [picture, at('photo.png')].map((path) => sharp(path).removeAlpha().raw().toBuffer({ resolveWithObject: true })),
    );
    assert.deepEqual([drawn!.info.width, drawn!.info.height], [300, 200]);
    const changed = drawn!.data.filter((value, place) => Math.abs(value - plain!.data[place]!) > 40).length;
    assert.ok(changed > 1000 && changed < plain!.data.length / 2, `${changed} values changed`);
  });

  test('for people it prints the answer, then a line for each box', async () => {
    const { status, stdout } = await detect('--image', at('photo.png'));
    assert.equal(status, 0);
    const [answer, ...boxes] = stdout.trimEnd().split('\n');
    assert.equal(answer, learnt.answer);
    assert.match(boxes[0]!, new RegExp(`^box {2}\\d+,\\d+,\\d+,\\d+ px {2}0\\.\\d\\d,.* {2}${learnt.question}$`));
  });

  test('of several images one that is cut short costs itself alone: a line each, pictures in a folder, exit 4', async () => {
    const out = at('pictures');
    const { status, stdout, stderr } = await detect('--image', at('many'), '--batch', '2', '--out', out, '--json');
    assert.equal(status, 4, stderr);
    const said = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Document);
    assert.deepEqual(
      said.map(({ ok, image, answer }) => [ok, image, answer]),
      [
        [true, join(at('many'), 'a.png'), learnt.answer],
        [true, join(at('many'), 'b.jpg'), learnt.answer],
        [false, join(at('many'), 'cut.png'), undefined],
      ],
    );
    assert.deepEqual([said[2]!.errors![0]!.code, said[2]!.errors![0]!.where], ['E_IMAGE', join(at('many'), 'cut.png')]);
    assert.match(stderr, /error E_IMAGE[\s\S]*cut\.png[\s\S]*1 of 3 images could not be asked about/);
    assert.deepEqual(readdirSync(out).sort(), ['a.png', 'b.jpg']);
    assert.equal((await sharp(join(out, 'b.jpg')).metadata()).format, 'jpeg');
  });

  test('answers for people name their image where there are several', async () => {
    const { status, stdout } = await detect('--image', join(at('many'), '[ab].*'));
    assert.equal(status, 0);
    assert.match(stdout, /a\.png\n {2}<p>.*\n {2}box .*\n.*b\.jpg\n {2}<p>/);
  });

  test('one image that cannot be read is an error that names it, and nothing is drawn', async () => {
    for (const name of ['many/cut.png', 'run.yaml', 'missing.png']) {
      const { status, stdout, stderr } = await detect('--image', at(name), '--out', at('never.png'), '--json');
      assert.equal(status, 4, name);
      assert.match(stderr, /E_IMAGE/);
      const { ok, errors } = JSON.parse(stdout) as Document;
      assert.deepEqual([ok, errors![0]!.where], [false, at(name)]);
    }
    assert.ok(!existsSync(at('never.png')));
  });

  test('a box is asked about and drawn; one outside the image is refused', async () => {
    const identify = (box: string, ...args: string[]) =>
      predict('--task', 'identify', '--image', at('photo.png'), '--json', `--box=${box}`, ...args);
    const picture = at('asked.webp');
    const { status, stdout, stderr } = await identify('30,50,150,150', '--out', picture);
    assert.equal(status, 0, stderr);
    const said = JSON.parse(stdout) as Document;
    assert.match(said.instruction, /^\[identify\] .*\{<10><25><50><75>\}$/);
    assert.deepEqual(said.asked, { fractions: [0.1, 0.25, 0.5, 0.75], pixels: [30, 50, 150, 150] });
    const [drawn, plain] = await Promise.all(
      [picture, at('photo.png')].map((path) => sharp(path).removeAlpha().raw().toBuffer()),
    );
    const place = (100 * 300 + 30) * 3;
    const moved = [0, 1, 2].map((colour) => Math.abs(drawn![place + colour]! - plain![place + colour]!));
    assert.ok(Math.max(...moved) > 40, `the frame is drawn at its left edge: ${moved}`);
    const outside = await identify('30,50,301,150');
    assert.equal(outside.status, 2);
    assert.match(outside.stderr, /E_BOX_ARGUMENT[\s\S]*300 x 200/);
  });

  test('stored rotation is not applied, as in training, and that is said', async () => {
    const { status, stdout, stderr } = await detect('--image', at('sideways.jpg'), '--json', '--out', at('side.jpg'));
    assert.equal(status, 0, stderr);
    assert.match(stderr, /warning: .*sideways\.jpg .*EXIF/);
    assert.deepEqual((JSON.parse(stdout) as Document).size, { width: 300, height: 200 });
    const { width, height, orientation = 1 } = await sharp(at('side.jpg')).metadata();
    assert.deepEqual([width, height, orientation], [300, 200, 1]);
  });

  test('images of any number give the same answers, however many are taken at once', async () => {
    const images = ['--image', join(at('many'), 'a.png'), '--image', at('photo.png'), '--image', at('sideways.jpg')];
    const answers = async (batch: string) => {
      const { status, stdout, stderr } = await detect(...images, '--batch', batch, '--json');
      assert.equal(status, 0, stderr);
      return stdout
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as Document).answer);
    };
    const alone = await answers('1');
    assert.equal(alone.length, 3);
    assert.deepEqual(await answers('3'), alone);
  });

  test('an export answers as the run does', async () => {
    const exported = at('exported');
    const { status, stderr } = await tristage('export', '--checkpoint', run, '--format', 'merged', '--out', exported);
    assert.equal(status, 0, stderr);
    const ask = async (checkpoint: string) => {
      const args = ['--checkpoint', checkpoint, '--engine', engine, '--image', at('photo.png'), '--json'];
      const said = await tristage('predict', ...args, '--task', 'detection', learnt.question);
      assert.equal(said.status, 0, said.stderr);
      return JSON.parse(said.stdout) as Document;
    };
    assert.deepEqual(await ask(exported), await ask(run));
    writeFileSync(join(exported, 'config.json'), '{}');
    const damaged = await tristage('predict', '--checkpoint', exported, '--image', at('photo.png'));
    assert.equal(damaged.status, 8);
    assert.match(damaged.stderr, /E_EXPORT_DAMAGED/);
  });

  test('a request that cannot be met is refused before the run is opened', async () => {
    const refused = async (code: string, ...args: string[]) => {
      const { status, stderr } = await tristage('predict', '--checkpoint', at('none'), ...args);
      assert.deepEqual([status, /error (E_\w+)/.exec(stderr)?.[1]], [2, code]);
    };
    await refused('E_PREDICT', '--image', 'a.png', 'b.png');
    await refused('E_OUT', '--image', at('photo.png'), '--out', at('boxes.bmp'));
    await refused('E_OUT', '--image', at('photo.png'), '--out', at('photo.png'));
    await refused('E_BOX_ARGUMENT', '--image', at('photo.png'), '--task', 'identify', '--box', '1,2,3');
  });
});

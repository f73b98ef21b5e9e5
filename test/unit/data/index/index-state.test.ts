/** What an index notices, what it refuses, and what it goes on with. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import {
  appendFile,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { TristageError } from '../../../../lib/core/errors.ts';
import { randomStream } from '../../../../lib/core/rng.ts';
import { type IndexManifest, readState } from '../../../../lib/data/index/manifest.ts';
import { openIndex } from '../../../../lib/data/index/open-index.ts';
import { readBatchPlaces } from '../../../../lib/data/index/segments.ts';
import { digestsOf, indexed, type Line, lines, textLines, writeLines, writePicture } from './index-support.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tristage-index-'));
});
after(() => rm(folder, { recursive: true, force: true }));
const first = (): number => 0;
const E_INDEX = { code: 'E_INDEX', kind: 'data' };

/** A data set of a few pictures. */
async function pictures(names: readonly string[], missing: readonly string[] = []): Promise<string> {
  const root = await mkdtemp(join(folder, 'set-'));
  await mkdir(join(root, 'images'));
  for (const name of names) await writePicture(join(root, `images/${name}.jpg`));
  await writeLines(
    root,
    [...names, ...missing].map((name) => ({ id: name, file: `images/${name}.jpg`, text: name })),
  );
  return root;
}

describe('what has changed', () => {
  test('is told by content: other times change nothing, other bytes do, and the index is made again with a message', async () => {
    const root = await pictures(['a', 'b']);
    const place = { index: join(root, 'index') };
    const made = await indexed(lines.plan({ root }), { place });
    assert.match(made.said.join(), /no index yet/);
    await utimes(join(root, 'rows.jsonl'), 1, 1);
    const kept = await indexed(lines.plan({ root }), { place });
    assert.deepEqual([kept.built, kept.said], [false, []]);
    await writeLines(root, [{ id: 'a', file: 'images/a.jpg', text: 'x' }]);
    await utimes(join(root, 'rows.jsonl'), 1, 1);
    const again = await indexed(lines.plan({ root }), { place });
    assert.equal(again.built, true);
    assert.match(again.said.join(), /out of date, rows\.jsonl has changed/);
    assert.equal(again.source.length, 1);
    assert.notEqual(again.source.fingerprint, made.source.fingerprint);
  });

  test('an image that came or went is noticed; other files beside the images are not', async () => {
    const root = await pictures(['a', 'b'], ['c']);
    const place = { index: join(root, 'index') };
    const open = () => indexed(lines.plan({ root }), { place });
    const made = await open();
    assert.deepEqual(
      made.manifest.rejections.map(({ reason, count, examples }) => [reason, count, examples]),
      [['missing image', 1, ['c: c.jpg: ENOENT']]],
    );
    await writeFile(join(root, 'images/notes.txt'), 'x');
    await writeFile(join(root, 'log.jsonl'), 'x');
    assert.equal((await open()).built, false);
    await writePicture(join(root, 'images/c.jpg'));
    const more = await open();
    assert.match(more.said.join(), /images has other files: 3 images and folders, 2 before/);
    assert.equal(more.source.length, 3);
    await unlink(join(root, 'images/a.jpg'));
    const fewer = await open();
    assert.deepEqual([fewer.built, fewer.source.length], [true, 2]);
  });

  test('an index of other options or of another source is refused by name, one in a cache is simply another', async () => {
    const root = await pictures(['a', 'b']);
    const place = { index: join(root, 'index') };
    await indexed(lines.plan({ root }), { place });
    await assert.rejects(indexed(lines.plan({ root, skip: 'a' }), { place }), (error: TristageError) => {
      assert.deepEqual([error.code, error.where], ['E_INDEX_OTHER', place.index]);
      assert.match(`${error.found} ${error.expected}`, /"skip".*"skip","a"/);
      return true;
    });
    const cache = { cache: join(root, 'cache') };
    const [all, some] = [
      await indexed(lines.plan({ root }), { place: cache }),
      await indexed(lines.plan({ root, skip: 'a' }), { place: cache }),
    ];
    assert.deepEqual([all.source.length, some.source.length, all.built, some.built], [2, 1, true, true]);
    assert.deepEqual(some.manifest.rejections, [{ reason: 'skipped', count: 1, examples: ['a'] }]);
  });

  test('code that reads the rows in another way makes it again; another program looks at the samples again', async () => {
    const root = await pictures(['a', 'b']);
    const place = { index: join(root, 'index') };
    const plan = lines.plan({ root });
    await indexed(plan, { place });
    const newer = await indexed({ ...plan, revision: 2 }, { place });
    assert.deepEqual([newer.built, newer.manifest.revision], [true, 2]);
    assert.match(newer.said.join(), /read in another way/);
    const strict = { ...plan, revision: 2, sample: () => ({ turns: [] }) };
    assert.equal((await indexed(strict, { place })).source.length, 2);
    await assert.rejects(indexed(strict, { place, tool: 'test 2' }), { code: 'E_SOURCE' });
  });

  test('a closer look makes it again, a lesser one does not', async () => {
    const root = await pictures(['a', 'b']);
    await writePicture(join(root, 'images/b.jpg'), { width: 400, height: 300 });
    const whole = await readFile(join(root, 'images/b.jpg'));
    await writeFile(join(root, 'images/b.jpg'), whole.subarray(0, whole.length - 20));
    const place = { index: join(root, 'index') };
    const headers = await indexed(lines.plan({ root }), { place });
    const decoded = await indexed(lines.plan({ root }), { place, verify: 'decode' });
    const quick = await indexed(lines.plan({ root }), { place, verify: 'quick' });
    assert.deepEqual([headers.source.length, decoded.source.length, quick.source.length], [2, 1, 1]);
    assert.deepEqual([decoded.built, quick.built], [true, false]);
    assert.deepEqual(
      decoded.manifest.rejections.map(({ reason }) => reason),
      ['unreadable image'],
    );
  });
});

describe('rows and their images', () => {
  test('what is missing, unreadable, of another shape or too large is left out with its reason', async () => {
    const root = await pictures(['a', 'b']);
    await writeFile(join(root, 'images/text.jpg'), 'not an image');
    const rows: Line[] = [
      { id: 'none', file: 'images/none.jpg', text: 'x' },
      { id: 'text', file: 'images/text.jpg', text: 'x' },
      { id: 'folder', file: 'images', text: 'x' },
      { id: 'turned', file: 'images/a.jpg', width: 6, height: 8, text: 'x' },
      { id: 'zero', file: 'images/a.jpg', width: 0, height: 0, text: 'x' },
      { id: 'doubled', file: 'images/a.jpg', width: 16, height: 12, text: 'x' },
      { id: 'large', text: 'x'.repeat(1 << 20) },
      { id: 'good', file: join(root, 'images/b.jpg'), text: 'x' },
    ];
    await writeLines(root, rows);
    const { source, manifest } = await indexed(lines.plan({ root }), { place: { index: join(root, 'index') } });
    assert.deepEqual(await Promise.all([0, 1].map(async (index) => (await source.get(index, first)).id)), [
      'doubled',
      'good',
    ]);
    assert.deepEqual(
      manifest.rejections.map(({ reason, count }) => [reason, count]),
      [
        ['missing image', 1],
        ['unreadable image', 2],
        ['image of another shape', 2],
        ['record too large', 1],
      ],
    );
    assert.equal(manifest.rejected, 6);
  });

  test('a source that yields nothing is an error that says why, and leaves nothing behind', async () => {
    const root = await pictures([], ['a', 'b']);
    const failed = indexed(lines.plan({ root }), { place: { index: join(root, 'index') } });
    await assert.rejects(failed, (error: TristageError) => {
      assert.deepEqual([error.code, error.kind], ['E_SOURCE', 'data']);
      assert.match(error.message, /2 rows left out, missing image: a: a\.jpg: ENOENT/);
      return true;
    });
    assert.deepEqual((await readdir(root)).sort(), ['images', 'rows.jsonl']);
  });
});

describe('an interrupted preparation', () => {
  const COUNT = 36_000;

  test('goes on behind the last finished segment after a kill, to the same bytes', async () => {
    const root = await mkdtemp(join(folder, 'killed-'));
    await writeLines(root, textLines(COUNT));
    const whole = await indexed(lines.plan({ root }), { place: { index: join(root, 'whole') } });
    const out = join(root, 'killed');
    const support = new URL('./index-support.ts', import.meta.url).href;
    // Past the first segment rows come slowly, so that the kill hits the middle of the work.
    const program = `
      const { indexed, lines } = await import(${JSON.stringify(support)});
      const plan = lines.plan({ root: ${JSON.stringify(root)} });
      const rows = plan.rows;
      plan.rows = async function* (scan) {
        let place = 0;
        for await (const row of rows(scan)) {
          if (place++ > 33000) await new Promise((resolve) => setTimeout(resolve, 1));
          yield row;
        }
      };
      await indexed(plan, { place: { index: ${JSON.stringify(out)} } });`;
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
      stdio: 'inherit',
    });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    while (!existsSync(join(`${out}.partial`, 'state.json')) && child.exitCode === null) await pause(20);
    child.kill('SIGKILL');
    await ended;
    assert.equal(existsSync(out), false);
    assert.equal((await readState(`${out}.partial`))?.seen, 32_768);
    const resumed: number[] = [];
    const seen: number[] = [];
    const continued = await indexed(lines.plan({ root }), {
      place: { index: out },
      onResume: (rows) => resumed.push(rows),
      onProgress: (progress) => seen.push(progress.seen),
    });
    assert.deepEqual(resumed, [32_768]);
    assert.ok(seen[0]! > 32_768 && seen.at(-1) === COUNT, `${seen[0]} to ${seen.at(-1)}`);
    assert.deepEqual(await digestsOf(out), await digestsOf(whole.folder));
    assert.equal(continued.source.fingerprint, whole.source.fingerprint);
    assert.equal(existsSync(`${out}.partial`), false);
  });

  test('starts over where its files are not whole, or the inputs have changed', async () => {
    const root = await mkdtemp(join(folder, 'over-'));
    await writeLines(root, textLines(COUNT));
    for (const harm of ['segment', 'state', 'input'] as const) {
      const out = join(root, harm);
      const controller = new AbortController();
      const stopped = indexed(lines.plan({ root }), {
        place: { index: out },
        signal: controller.signal,
        onProgress: ({ seen }) => seen > 33_000 && controller.abort(),
      });
      await assert.rejects(stopped, { name: 'AbortError' });
      assert.equal((await readState(`${out}.partial`))?.segments.length, 1);
      if (harm === 'segment') await truncate(join(`${out}.partial`, 'rows-00000.arrow'), 1000);
      if (harm === 'state') await truncate(join(`${out}.partial`, 'state.json'), 100);
      if (harm === 'input')
        await appendFile(join(root, 'rows.jsonl'), `${JSON.stringify({ id: 'last', text: 'x' })}\n`);
      const resumed: number[] = [];
      const { source } = await indexed(lines.plan({ root }), {
        place: { index: out },
        onResume: (rows) => resumed.push(rows),
      });
      assert.deepEqual(resumed, []);
      assert.equal(source.length, harm === 'input' ? COUNT + 1 : COUNT);
    }
  });

  test('of several processes one does the work and the others wait for it', async () => {
    const root = await pictures(['a', 'b', 'c']);
    const place = { cache: join(root, 'cache') };
    const all = await Promise.all([1, 2, 3].map(() => indexed(lines.plan({ root }), { place })));
    assert.deepEqual(all.map(({ built }) => built).sort(), [false, false, true]);
    assert.ok(all.every(({ source }) => source.fingerprint === all[0]!.source.fingerprint));
    // A lock whose owner is dead holds nobody up.
    const dir = all[0]!.folder;
    await rm(dir, { recursive: true });
    await writeFile(`${dir}.lock`, JSON.stringify({ host: hostname(), pid: 2 ** 30, token: 'x' }));
    assert.equal((await indexed(lines.plan({ root }), { place })).built, true);
    assert.equal(existsSync(`${dir}.lock`), false);
  });
});

describe('damage', () => {
  let root: string;
  let good: string;
  before(async () => {
    root = await mkdtemp(join(folder, 'damaged-'));
    await writeLines(
      root,
      textLines(3000, (place) => `text ${place} `.repeat(40)),
    );
    good = (await indexed(lines.plan({ root }), { place: { index: join(root, 'good') } })).folder;
  });

  /** A copy of the good index with one thing done to it. */
  async function harmed(harm: (dir: string) => Promise<void>): Promise<string> {
    const dir = await mkdtemp(join(root, 'bad-'));
    await cp(good, dir, { recursive: true });
    await harm(dir);
    return dir;
  }

  test('a manifest that does not fit its files, or is none, is refused', async () => {
    const change = (edit: (manifest: IndexManifest) => object) => async (dir: string) => {
      const path = join(dir, 'manifest.json');
      await writeFile(path, JSON.stringify(edit(JSON.parse(await readFile(path, 'utf8')))));
    };
    const harms: ((dir: string) => Promise<void>)[] = [
      change((manifest) => ({ ...manifest, rows: 2999 })),
      change((manifest) => ({ ...manifest, format: 2 })),
      change((manifest) => ({ ...manifest, batchRows: 3 })),
      change((manifest) => ({ ...manifest, fingerprint: 'x' })),
      change((manifest) => ({ ...manifest, segments: [...manifest.segments, ...manifest.segments], rows: 6000 })),
      change((manifest) => ({ ...manifest, segments: manifest.segments.map((one) => ({ ...one, bytes: 12 })) })),
      (dir) => writeFile(join(dir, 'manifest.json'), '[]'),
      (dir) => writeFile(join(dir, 'manifest.json'), '{'),
      (dir) => unlink(join(dir, 'rows-00000.arrow')),
    ];
    for (const [place, harm] of harms.entries()) {
      const dir = await harmed(harm);
      await assert.rejects(indexed(lines.plan({ root }), { place: { index: dir } }), E_INDEX, `harm ${place}`);
    }
  });

  test('a folder of other files is refused and left as it is', async () => {
    const dir = await mkdtemp(join(root, 'other-'));
    await writeFile(join(dir, 'thesis.txt'), 'mine');
    await assert.rejects(indexed(lines.plan({ root }), { place: { index: dir } }), E_INDEX);
    assert.deepEqual(await readdir(dir), ['thesis.txt']);
    const file = join(dir, 'thesis.txt');
    await assert.rejects(indexed(lines.plan({ root }), { place: { index: file } }), E_INDEX);
  });

  test('a segment that is cut anywhere is refused when it is opened', async () => {
    const { size } = statSync(join(good, 'rows-00000.arrow'));
    const random = randomStream(5);
    const cuts = [
      0,
      7,
      10,
      size - 1,
      size - 6,
      size - 10,
      ...Array.from({ length: 10 }, (_, draw) => random.integer(draw, size)),
    ];
    for (const cut of cuts) {
      const dir = await harmed((copy) => truncate(join(copy, 'rows-00000.arrow'), cut));
      await assert.rejects(indexed(lines.plan({ root }), { place: { index: dir } }), E_INDEX, `cut at ${cut}`);
    }
  });

  test('bytes that were changed are refused, or were of no account', async () => {
    const path = join(good, 'rows-00000.arrow');
    const bytes = await readFile(path);
    const whole = (await indexed(lines.plan({ root }), { place: { index: good } })).source;
    const random = randomStream(6);
    const dir = await harmed(async () => undefined);
    let refused = 0;
    for (let round = 0; round < 150; round++) {
      const copy = Buffer.from(bytes);
      // Half of them in the footer, where counts and places are, the others anywhere.
      const from = round % 2 === 0 ? bytes.length - 1200 : 0;
      for (let flip = 0; flip < 3; flip++) {
        const draw = 10 * round + 2 * flip;
        copy[from + random.integer(draw, bytes.length - from)] = random.integer(draw + 1, 256);
      }
      await writeFile(join(dir, 'rows-00000.arrow'), copy);
      try {
        const { source } = await indexed(lines.plan({ root }), { place: { index: dir } });
        for (const index of [0, 1500, source.length - 1]) {
          assert.deepEqual(await source.get(index, first), await whole.get(index, first));
        }
      } catch (error) {
        assert.ok(error instanceof TristageError && error.code === 'E_INDEX', String(error));
        refused++;
      }
    }
    assert.ok(refused > 50, `${refused} of 150`);
  });

  test('a segment that was made to mislead is refused: its checksum fits, its counts do not', async () => {
    const path = join(good, 'rows-00000.arrow');
    const manifest = JSON.parse(await readFile(join(good, 'manifest.json'), 'utf8'));
    const { rows, bytes, crc } = manifest.segments[0];
    const [place] = await readBatchPlaces(path, { rows, bytes, batchRows: manifest.batchRows });
    const { offset, head, body } = place!;
    const whole = await readFile(path);
    const random = randomStream(7);
    const dir = await harmed(async () => undefined);
    for (const name of await readdir(dir)) if (name.startsWith('samples-')) await unlink(join(dir, name));
    for (let round = 0; round < 200; round++) {
      const copy = Buffer.from(whole);
      copy[offset + random.integer(2 * round, head)] = random.integer(2 * round + 1, 256);
      const mine = crc32(copy.subarray(offset, offset + head + body));
      const segments = [{ ...manifest.segments[0], crc: [mine, ...crc.slice(1)] }];
      await writeFile(join(dir, 'rows-00000.arrow'), copy);
      const store = await openIndex(dir, { ...manifest, segments });
      try {
        await store.row(1);
      } catch (error) {
        assert.ok(error instanceof TristageError && error.code === 'E_INDEX', String(error));
      }
    }
  });

  test('in a cache it is made again', async () => {
    const place = { cache: join(root, 'cache') };
    const made = await indexed(lines.plan({ root }), { place });
    await truncate(join(made.folder, 'rows-00000.arrow'), 5000);
    const again = await indexed(lines.plan({ root }), { place });
    assert.equal(again.built, true);
    assert.match(again.said.join(), /its index is damaged/);
    assert.deepEqual(await digestsOf(again.folder), await digestsOf(good));
  });
});

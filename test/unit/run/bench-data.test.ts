/** The parts of `tristage bench data` that need no Python: photos, vocabulary, our side, the report. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decodeImage, IMAGE_MEAN, IMAGE_STD } from '../../../lib/data/image.ts';
import { jpegComponents } from '../../../lib/data/image-bytes.ts';
import { photoLike } from '../../../lib/data/photo-like.ts';
import { resizePillowBicubic } from '../../../lib/data/resize-pillow.ts';
import { parseSentencePiece } from '../../../lib/data/sentencepiece.ts';
import { llama2Pieces } from '../../../lib/data/tokenizer.ts';
import { loaderOptions } from '../../../lib/engine/probe-run.ts';
import type { DataCase, Look, Pass } from '../../../lib/run/bench/data/case.ts';
import { processorsOf } from '../../../lib/run/bench/data/cores.ts';
import { renderDataBench } from '../../../lib/run/bench/data/index.ts';
import { photoShards, writePhotos } from '../../../lib/run/bench/data/photos.ts';
import { sentencePieceFile } from '../../../lib/run/bench/data/vocabulary-file.ts';
import { startPeer } from '../../../lib/run/bench/peer.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const URL_OF = (path: string) => new URL(`../../../${path}`, import.meta.url);

test('a photo is a colour JPEG of about 640 x 480, the same each time, and another for each number', async () => {
  const [photo, again, other] = [await photoLike(3), await photoLike(3), await photoLike(4)];
  assert.deepEqual(photo, again);
  assert.notDeepEqual(photo, other);
  assert.equal(jpegComponents(photo), 3);
  const { width, height } = await decodeImage({ bytes: photo, name: 'photo' });
  assert.ok(Math.max(width, height) <= 640 && Math.min(width, height) >= 375, `${width} x ${height}`);
  assert.ok(photo.length > 60_000 && photo.length < 250_000, `${photo.length} bytes`);
});

test('the vocabulary that the other side reads is ours', async () => {
  const pieces = await llama2Pieces();
  const model = parseSentencePiece(sentencePieceFile(pieces));
  assert.deepEqual(model.pieces, pieces);
  assert.deepEqual([model.unkId, model.bosId, model.eosId, model.dummyPrefix], [0, 1, 2, true]);
});

test('our side takes every photo once through the loader, with the pixels of the plain resize', async () => {
  const work = temporaryFolder('tristage-bench-');
  const folder = join(work, 'photos');
  await writePhotos(folder, 32);
  const dataCase: DataCase = {
    folder,
    shards: photoShards(folder),
    vocabulary: '',
    cache: join(work, 'index'),
    size: 448,
    transform: 'pillow-bicubic',
    threads: 1,
    batch: 16,
    imageTokens: 256,
    maxTokens: 2048,
    mean: IMAGE_MEAN,
    std: IMAGE_STD,
  };
  const path = join(work, 'case.json');
  await writeFile(path, JSON.stringify(dataCase));
  const script = fileURLToPath(URL_OF('lib/run/bench/data-worker.ts'));
  const registry = URL_OF('bin/registry.ts').href;
  const peer = startPeer('ours', [process.execPath, ...loaderOptions(), script, path, registry]);
  try {
    const look = await peer.ask<Look>({ do: 'look', count: 2 });
    assert.deepEqual(Object.keys(look), ['000000', '000001']);
    const plain = resizePillowBicubic(await decodeImage({ bytes: await photoLike(1), name: 'photo' }), {
      width: 448,
      height: 448,
    });
    assert.equal(look['000001']?.pixels, createHash('sha256').update(plain.data).digest('hex'));
    const pass = await peer.ask<Pass>({ do: 'pass', images: 32 });
    assert.equal(pass.images, 32);
    assert.ok(pass.seconds > 0 && pass.cpu > 0);
    assert.ok(pass.tokens > 32 * 256 && pass.tokens < 32 * 400, `${pass.tokens} tokens`);
  } finally {
    await peer.close();
  }
});

test('tars of the same photos are the same bytes', async () => {
  const folder = temporaryFolder('tristage-bench-');
  await writePhotos(join(folder, 'a'), 4);
  await writePhotos(join(folder, 'b'), 4);
  const [a, b] = [photoShards(join(folder, 'a')), photoShards(join(folder, 'b'))];
  for (const [place, path] of a.entries()) assert.deepEqual(await readFile(path), await readFile(b[place] as string));
});

test('a list of processors is read as Linux writes it', () => {
  assert.deepEqual(processorsOf('0-2,7'), [0, 1, 2, 7]);
  assert.deepEqual(processorsOf(''), []);
});

test('the report names the cores, both speeds, both times and how many pixels are equal', () => {
  const spread = (median: number) => ({ median, min: median, max: median });
  const lines = renderDataBench({
    cores: 2,
    threads: 2,
    rounds: 3,
    images: 2000,
    versions: { sharp: '1', Pillow: '2' },
    cases: [
      {
        name: 'pillow-bicubic',
        speed: { ratio: 1.25, spread: spread(1.25), oursSeconds: spread(0.004), theirsSeconds: spread(0.005) },
        cpu: { ratio: 1.5, oursSeconds: spread(0.006), theirsSeconds: spread(0.009) },
        pixels: { compared: 64, equal: 63 },
      },
    ],
  });
  assert.match(lines, /2000 photos .* same 2 cores; 3 rounds/);
  assert.match(
    lines,
    /pillow-bicubic +speed 1\.25 .* ours 250 images\/s +theirs 200 +cpu 1\.50: ours 6\.00 ms, theirs 9\.00 ms/,
  );
  assert.match(lines, /63 of 64\n\[sharp 1, Pillow 2\]$/);
});

import assert from 'node:assert/strict';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import { exportModel } from '../../../lib/export/export.ts';
import type { ExportSubject } from '../../../lib/export/format.ts';
import { readParity } from '../../../lib/export/parity.ts';
import type { ExportOptions } from '../../../lib/export/request.ts';
import { tfjs } from '../../../lib/export/tfjs.ts';
import { castFloat, type HostTensor, toFloat32 } from '../../../lib/formats/host-tensor.ts';
import { openTfjsWeights } from '../../../lib/formats/tfjs-weights.ts';
import { IMAGE_SLOT } from '../../../lib/model/splice.ts';
import { runGraph } from '../../support/graph-runner.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { TINY, tinyExport } from './tiny-export.ts';

const folder = temporaryFolder('tristage-tfjs-');

async function json(path: string): Promise<never> {
  return JSON.parse(await readFile(path, 'utf8')) as never;
}

/** TensorFlow.js's own loader, reading files where a browser would fetch them. */
const loadWeights = tf.io.weightsLoaderFactory((paths) =>
  Promise.all(
    paths.map(async (path) => {
      const bytes = await readFile(path);
      return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
    }),
  ),
);

async function valuesOf(subject: ExportSubject): Promise<Map<string, HostTensor>> {
  const values = new Map<string, HostTensor>();
  for (const [name, source] of subject.weights) values.set(name, await source.read());
  return values;
}

/** Exports and gives what was exported, what TensorFlow.js loads, and the manifest. */
async function exported(name: string, options: ExportOptions) {
  const out = join(folder, name);
  const { subject, ...rest } = tinyExport();
  const values = await valuesOf(subject);
  const manifest = await exportModel({ ...rest, subject, format: tfjs, options, out });
  return { out, values, manifest, loaded: await loadWeights(await json(join(out, 'weights_manifest.json')), out) };
}

describe('the tfjs export', () => {
  it('is loaded by tf.io with every value as it was', async () => {
    const { values, loaded, manifest } = await exported('whole', {});
    assert.deepEqual(Object.keys(loaded).sort(), [...values.keys()].sort());
    for (const [name, tensor] of values) {
      assert.deepEqual(loaded[name]!.shape, tensor.shape, name);
      assert.equal(loaded[name]!.dtype, 'float32');
      assert.deepEqual(loaded[name]!.dataSync(), toFloat32(tensor), name);
    }
    assert.ok(manifest.parity.maxAbsLogitDiff <= 1e-6);
    tf.dispose(loaded);
  });

  it('is loaded by tf.io with every value rounded to half precision where that was asked for', async () => {
    const { values, loaded, manifest, out } = await exported('half', { dtype: 'F16' });
    for (const [name, tensor] of values) {
      assert.equal(loaded[name]!.dtype, 'float32');
      assert.deepEqual(loaded[name]!.dataSync(), toFloat32(castFloat(tensor, 'F16')), name);
    }
    assert.ok(manifest.parity.maxAbsLogitDiff > 0);
    const recorded = manifest.files['weights_manifest.json']!.tensors!['llama_proj.bias'];
    assert.deepEqual([recorded?.dtype, recorded?.shape], ['F16', [16]]);
    const [group] = (await json(join(out, 'weights_manifest.json'))) as { weights: { quantization: unknown }[] }[];
    assert.deepEqual(group!.weights[0]!.quantization, { original_dtype: 'float32', dtype: 'float16' });
    tf.dispose(loaded);
  });

  it('is loaded by tf.io wherever the files were cut, within a value too', async () => {
    const { values, loaded, out } = await exported('cut', { shardBytes: 1001 });
    const shards = (await readdir(out)).filter((file) => file.endsWith('.bin'));
    assert.ok(shards.length > 20 && shards.includes(`lora-shard1of1.bin`), shards.join());
    for (const shard of shards) assert.ok((await stat(join(out, shard))).size <= 1001);
    for (const [name, tensor] of values) assert.deepEqual(loaded[name]!.dataSync(), toFloat32(tensor), name);
    tf.dispose(loaded);
  });

  it('describes its graph so that plain operations give the same logits', async () => {
    for (const [name, config] of [
      ['graph', TINY],
      ['graph-dinov2', { ...TINY, vision: { ...TINY.vision, layerScale: true, qkvBias: true, pixels: 'imagenet' } }],
      ['graph-bare', { ...TINY, lora: undefined, llm: { ...TINY.llm, tieEmbeddings: true } }],
    ] as const) {
      const out = join(folder, name);
      const { lora, ...rest } = config;
      const sizes = lora === undefined ? rest : { ...rest, lora };
      const { image } = await exportModel({ ...tinyExport(sizes), format: tfjs, options: {}, out });
      const weights = await loadWeights(await json(join(out, 'weights_manifest.json')), out);
      const { inputs, answers } = await readParity(join(out, 'parity.safetensors'));
      const [B, T] = inputs.shape;
      const { imageSize } = TINY.vision;
      const images = inputs.pixels.length / (3 * imageSize ** 2);
      let next = B * T;
      const sources = Int32Array.from(inputs.tokenIds, (id, place) => (id === IMAGE_SLOT ? next++ : place));
      const tokens = Int32Array.from(inputs.tokenIds, (id) => Math.max(id, 0));
      const bytes = tf.tensor4d(inputs.pixels, [images, imageSize, imageSize, 3], 'int32');
      const pixels = tf.transpose(tf.div(tf.sub(tf.mul(bytes, image.scale), image.mean), image.std), [0, 3, 1, 2]);
      const outputs = runGraph(await json(join(out, 'graph.json')), weights, {
        pixels,
        token_ids: tf.tensor2d(tokens, [B, T], 'int32'),
        sources: tf.tensor2d(sources, [B, T], 'int32'),
        positions: tf.tensor2d(
          Array.from({ length: B }, () => Array.from({ length: T }, (_, t) => t)),
          [B, T],
          'int32',
        ),
      });
      const rows = tf.gather(tf.reshape(outputs['logits']!, [B * T, -1]), tf.tensor1d(answers.places, 'int32'));
      assert.ok(largestDifference(rows.dataSync(), answers.logits) < 1e-4);
      assert.ok(largestDifference(outputs['image_embeds']!.dataSync(), answers.imageEmbeds) < 1e-4);
      tf.dispose(weights);
    }
  });

  it('says in GRAPH.md every step and every weight of the graph', async () => {
    const { out, values, loaded } = await exported('text', {});
    tf.dispose(loaded);
    const text = await readFile(join(out, 'GRAPH.md'), 'utf8');
    for (const name of values.keys()) {
      const pattern = name.replace(/\.(blocks|layers)\.\d+\./, '.$1.{i}.');
      assert.ok(text.includes(`\`${pattern}\``), name);
    }
    assert.match(text, /## Vision transformer, block \{i\}, i = 0 to 1\n/);
    assert.match(text, /`logits` float32\[B, T, \d+\]/);
  });

  it('refuses bfloat16, and half precision for a weight that it cannot hold; nothing is left then', async () => {
    const out = join(folder, 'refused');
    const request = { format: tfjs, out };
    const error = { code: 'E_EXPORT_FORMAT', kind: 'usage' };
    await assert.rejects(exportModel({ ...tinyExport(), ...request, options: { dtype: 'BF16' } }), error);
    const large = (name: string, length: number) =>
      name === 'llama_proj.bias' ? new Float32Array(length).fill(7e4) : undefined;
    await assert.rejects(exportModel({ ...tinyExport(TINY, large), ...request, options: { dtype: 'F16' } }), {
      ...error,
      where: 'llama_proj.bias',
    });
    await assert.rejects(stat(out), { code: 'ENOENT' });
  });
});

describe('a folder of TensorFlow.js weights', () => {
  it('is refused when its manifest is damaged, names files elsewhere or lacks bytes', async () => {
    const { out, loaded } = await exported('damaged', {});
    tf.dispose(loaded);
    const path = join(out, 'weights_manifest.json');
    const whole = await readFile(path, 'utf8');
    const groups = JSON.parse(whole) as { paths: string[]; weights: Record<string, unknown>[] }[];
    const changed = (change: (group: (typeof groups)[number]) => unknown): string => {
      const copy = structuredClone(groups);
      change(copy[0]!);
      return JSON.stringify(copy);
    };
    const damaged = [
      whole.slice(0, -10),
      '{}',
      changed((group) => group.paths.push('../secret.bin')),
      changed((group) => Object.assign(group.weights[0]!, { dtype: 'int64' })),
      changed((group) => Object.assign(group.weights[0]!, { shape: [-1] })),
      changed((group) => group.weights.push(group.weights[0]!)),
      changed((group) => Object.assign(group.weights[0]!, { quantization: { dtype: 'uint8', scale: 1, min: 0 } })),
    ];
    for (const text of damaged) {
      await writeFile(path, text);
      await assert.rejects(openTfjsWeights(out), { code: 'E_TFJS_WEIGHTS' }, text.slice(0, 200));
    }
    await writeFile(
      path,
      changed((group) => group.weights.push({ name: 'more', shape: [1000], dtype: 'float32' })),
    );
    await assert.rejects((await openTfjsWeights(out)).read('more'), { code: 'E_TFJS_WEIGHTS' });
    await assert.rejects((await openTfjsWeights(out)).read('none'), { code: 'E_TFJS_WEIGHTS' });
  });
});

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.equal(a.length, b.length);
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  return largest;
}

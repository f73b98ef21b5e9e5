import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { vitFromOnnx } from '../../../lib/checkpoint/onnx-vit.ts';
import { toFloat32 } from '../../../lib/formats/host-tensor.ts';
import { readOnnx } from '../../../lib/formats/onnx.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const root = temporaryFolder('tristage-onnx-');

/** A varint. */
function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(Math.floor(value / 128))];
}

/** One field: a number, a text, or the bytes of a message. */
function field(number: number, value: number | string | readonly number[]): number[] {
  if (typeof value === 'number') return [...varint(number * 8), ...varint(value)];
  const bytes = typeof value === 'string' ? [...new TextEncoder().encode(value)] : value;
  return [...varint(number * 8 + 2), ...varint(bytes.length), ...bytes];
}

const floatBytes = (values: readonly number[]): number[] => [...new Uint8Array(Float32Array.from(values).buffer)];

function tensor(name: string, shape: readonly number[], start = 0): number[] {
  const count = shape.reduce((product, size) => product * size, 1);
  const values = Array.from({ length: count }, (_, place) => start + place);
  const dims = shape.flatMap((size) => field(1, size));
  return field(5, [...dims, ...field(2, 1), ...field(8, name), ...field(9, floatBytes(values))]);
}

function node(op: string, name: string, inputs: readonly string[]): number[] {
  return field(1, [
    ...inputs.flatMap((input) => field(1, input)),
    ...field(2, 'y'),
    ...field(3, name),
    ...field(4, op),
  ]);
}

const model = (...parts: readonly number[][]): Uint8Array => Uint8Array.from(field(7, parts.flat()));

async function saved(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(root, name);
  await writeFile(path, bytes);
  return path;
}

/** A tower of one block, three channels and four patches. */
function tower(): number[][] {
  const layer = 'backbone.encoder.layer.0.';
  const maps = ['attention/attention/query', 'attention/attention/key', 'attention/attention/value'];
  const linears = [...maps, 'attention/output/dense', 'mlp/fc1', 'mlp/fc2'];
  const vectors = ['norm1.weight', 'norm1.bias', 'norm2.weight', 'norm2.bias'];
  const scales = ['layer_scale1.lambda1', 'layer_scale2.lambda1'];
  const biases = linears.map((name) => `${name.replaceAll('/', '.')}.bias`);
  return [
    tensor('backbone.embeddings.cls_token', [1, 1, 3]),
    tensor('backbone.embeddings.patch_embeddings.projection.weight', [3, 3, 2, 2]),
    tensor('backbone.embeddings.patch_embeddings.projection.bias', [3]),
    tensor('backbone.layernorm.weight', [3]),
    tensor('backbone.layernorm.bias', [3]),
    tensor('onnx::Reshape_9', [1, 4, 3], 3),
    tensor('onnx::Concat_8', [1, 1, 3]),
    ...[...vectors, ...scales, ...biases].map((name, place) => tensor(layer + name, [3], 10 * place)),
    ...linears.flatMap((name, place) => [
      tensor(`onnx::MatMul_${place}`, [3, 3], 100 * place),
      node('MatMul', `/backbone/encoder/layer.0/${name}/MatMul`, ['x', `onnx::MatMul_${place}`]),
    ]),
  ];
}

test('weights in float32 are read by name and nodes in order; other types are left out', async () => {
  const packed = field(5, [...field(1, [2, 1]), ...field(2, 1), ...field(4, floatBytes([5, 6])), ...field(8, 'b')]);
  const whole = field(5, [...field(1, 1), ...field(2, 7), ...field(8, 'index'), ...field(9, [1, 0, 0, 0, 0, 0, 0, 0])]);
  const bytes = model(tensor('a', [2, 2], 1), packed, whole, node('MatMul', 'first', ['x', 'a']), node('Add', 'n', []));
  const { tensors, nodes } = await readOnnx(await saved('small.onnx', bytes));
  assert.deepEqual([...tensors.keys()], ['a', 'b']);
  assert.deepEqual([...toFloat32(tensors.get('a')!)], [1, 2, 3, 4]);
  assert.deepEqual(
    [tensors.get('b')!.shape, [...toFloat32(tensors.get('b')!)]],
    [
      [2, 1],
      [5, 6],
    ],
  );
  assert.deepEqual(nodes[0], { name: 'first', op: 'MatMul', inputs: ['x', 'a'], outputs: ['y'] });
});

test('matrices without names are known by the node that multiplies with them, and turned round', async () => {
  const weights = vitFromOnnx(await readOnnx(await saved('tower.onnx', model(...tower()))));
  assert.equal(weights.size, 6 + 14);
  assert.deepEqual([...toFloat32(weights.get('blocks.0.attn.proj.weight')!)].slice(0, 4), [300, 303, 306, 301]);
  const qkv = weights.get('blocks.0.attn.qkv.weight')!;
  assert.deepEqual(qkv.shape, [9, 3]);
  assert.deepEqual(
    [0, 9, 18].map((place) => toFloat32(qkv)[place]),
    [0, 100, 200],
  );
  const positions = weights.get('pos_embed')!;
  assert.deepEqual(
    [positions.shape, [...toFloat32(positions)]],
    [
      [1, 5, 3],
      [0, 1, 2, ...Array.from({ length: 12 }, (_, i) => i + 3)],
    ],
  );
});

test('a tower that lacks a weight is refused by its name', async () => {
  const parts = tower().filter((part) => !Buffer.from(part).toString('latin1').includes('mlp/fc2/MatMul'));
  const broken = await readOnnx(await saved('lacking.onnx', model(...parts)));
  assert.throws(() => vitFromOnnx(broken), { code: 'E_ONNX', found: /mlp\.fc2\.weight/ });
});

test('damaged files are refused wherever they are cut, and so are lying sizes and weights kept elsewhere', async () => {
  const good = model(...tower());
  for (let length = 0; length < good.length; length += 97)
    await assert.rejects(readOnnx(await saved('cut.onnx', good.subarray(0, length))), { code: 'E_ONNX' });
  const add = node('Add', 'n', []);
  const bad = [
    field(5, [...field(1, 3), ...field(2, 1), ...field(8, 'short'), ...field(9, floatBytes([1, 2]))]),
    field(5, [...field(1, 2 ** 52), ...field(1, 2 ** 52), ...field(2, 1), ...field(8, 'huge'), ...field(9, [])]),
    field(5, [...field(8, 'elsewhere'), ...field(13, [])]),
    [...tensor('twice', [1]), ...tensor('twice', [1])],
    field(5, 3),
  ];
  for (const part of bad) await assert.rejects(readOnnx(await saved('bad.onnx', model(part, add))), { code: 'E_ONNX' });
});

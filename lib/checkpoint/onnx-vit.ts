/**
 * The ViT of the DINOv2 family inside an ONNX model that was exported from transformers' `Dinov2Model`. The exporter keeps the names of
 * what it leaves alone; the matrices of linear maps are transposed and lose theirs, so that they are known by the node that uses them.
 */

import type { HostTensor } from '../formats/host-tensor.ts';
import { toFloat32 } from '../formats/host-tensor.ts';
import { type OnnxModel, onnxError } from '../formats/onnx.ts';

/** Where the tower stands in the names of the model. */
const BACKBONE = 'backbone';

/** Names outside of blocks, and inside of them; transformers' on the left, DINOv2's own on the right. */
const OUTER: Readonly<Record<string, string>> = {
  'embeddings.cls_token': 'cls_token',
  'embeddings.patch_embeddings.projection.weight': 'patch_embed.proj.weight',
  'embeddings.patch_embeddings.projection.bias': 'patch_embed.proj.bias',
  'layernorm.weight': 'norm.weight',
  'layernorm.bias': 'norm.bias',
};
const INNER: Readonly<Record<string, string>> = {
  'norm1.weight': 'norm1.weight',
  'norm1.bias': 'norm1.bias',
  'attention.output.dense.weight': 'attn.proj.weight',
  'attention.output.dense.bias': 'attn.proj.bias',
  'layer_scale1.lambda1': 'ls1.gamma',
  'norm2.weight': 'norm2.weight',
  'norm2.bias': 'norm2.bias',
  'mlp.fc1.weight': 'mlp.fc1.weight',
  'mlp.fc1.bias': 'mlp.fc1.bias',
  'mlp.fc2.weight': 'mlp.fc2.weight',
  'mlp.fc2.bias': 'mlp.fc2.bias',
  'layer_scale2.lambda1': 'ls2.gamma',
};
const QKV = ['query', 'key', 'value'] as const;

/**
 * The tower's weights under the names of DINOv2 and timm, every matrix [out, in].
 * @throws TristageError E_ONNX naming a weight that is missing
 */
export function vitFromOnnx(model: OnnxModel): Map<string, HostTensor> {
  const named = withLinears(model);
  const take = (name: string): HostTensor => {
    const tensor = named.get(name);
    if (tensor === undefined) throw onnxError(model.path, `no weight ${BACKBONE}.${name}`, 'a ViT of transformers');
    return tensor;
  };
  const weights = new Map<string, HostTensor>();
  for (const [theirs, ours] of Object.entries(OUTER)) weights.set(ours, take(theirs));
  weights.set('pos_embed', positions(model));
  for (let layer = 0; named.has(`encoder.layer.${layer}.norm1.weight`); layer++) {
    const path = `encoder.layer.${layer}.`;
    for (const [theirs, ours] of Object.entries(INNER))
      weights.set(`blocks.${layer}.${ours}`, take(`${path}${theirs}`));
    for (const kind of ['weight', 'bias'] as const) {
      const parts = QKV.map((part) => take(`${path}attention.attention.${part}.${kind}`));
      weights.set(`blocks.${layer}.attn.qkv.${kind}`, stacked(parts));
    }
  }
  return weights;
}

/** Every weight of the tower by the name that transformers gives it. */
function withLinears({ nodes, tensors }: OnnxModel): Map<string, HostTensor> {
  const named = new Map<string, HostTensor>();
  for (const [name, tensor] of tensors) {
    if (name.startsWith(`${BACKBONE}.`)) named.set(name.slice(BACKBONE.length + 1), tensor);
  }
  for (const { op, name, inputs } of nodes) {
    const place = new RegExp(`^/${BACKBONE}/(.+)/MatMul$`).exec(name)?.[1];
    const matrix = tensors.get(inputs[1] ?? '');
    if (op === 'MatMul' && place !== undefined && matrix?.shape.length === 2) {
      named.set(`${place.replaceAll('/', '.')}.weight`, transposed(matrix));
    }
  }
  return named;
}

/** The position embedding was cut into its first row and the rest, which have lost their names: [1, 1, D] and [1, P, D]. */
function positions({ path, tensors }: OnnxModel): HostTensor {
  const unnamed = [...tensors].filter(([name, { shape }]) => name.startsWith('onnx::') && shape.length === 3);
  const rows = unnamed.map(([, tensor]) => tensor).sort((a, b) => (a.shape[1] ?? 0) - (b.shape[1] ?? 0));
  const [first, rest, more] = rows;
  const fits = first?.shape[1] === 1 && first.shape[2] === rest?.shape[2] && more === undefined;
  if (first === undefined || rest === undefined || !fits) {
    throw onnxError(path, `${rows.length} unnamed tensors of three axes`, 'the position embedding in two parts');
  }
  const joined = stacked([first, rest]);
  return { ...joined, shape: [1, 1 + (rest.shape[1] ?? 0), rest.shape[2] ?? 0] };
}

/** Tensors behind one another along their first axis. */
function stacked(parts: readonly HostTensor[]): HostTensor {
  const [{ shape: [, ...inner] = [] } = { shape: [] }] = parts;
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.bytes.length, 0));
  let place = 0;
  for (const part of parts) {
    bytes.set(part.bytes, place);
    place += part.bytes.length;
  }
  return { dtype: 'F32', shape: [parts.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0), ...inner], bytes };
}

function transposed(matrix: HostTensor): HostTensor {
  const [rows = 0, columns = 0] = matrix.shape;
  const values = toFloat32(matrix);
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) turned[column * rows + row] = values[row * columns + column] ?? 0;
  return { dtype: 'F32', shape: [columns, rows], bytes: new Uint8Array(turned.buffer) };
}

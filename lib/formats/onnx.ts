/** Weights and nodes of ONNX files, as far as a converter of weights needs them. (onnx.proto, IR version 3 and later) */

import { readFile, stat } from 'node:fs/promises';
import type { TristageError } from '../core/errors.ts';
import { fileError } from './file-bytes.ts';
import { elementCount, type HostTensor } from './host-tensor.ts';
import { type ProtobufField, protobufFields } from './protobuf.ts';

/** One operation of the graph. */
export interface OnnxNode {
  name: string;
  /** Such as `MatMul`. */
  op: string;
  inputs: string[];
  outputs: string[];
}

/** What an ONNX file holds. */
export interface OnnxModel {
  path: string;
  nodes: OnnxNode[];
  /** Weights in float32 by name; tensors of other types are left out. */
  tensors: Map<string, HostTensor>;
}

/** The file is read at once. */
const LARGEST_FILE = 2 ** 31;
const FLOAT = 1;
/** Numbers of fields. */
const FIELD = {
  model: { graph: 7 },
  graph: { node: 1, initializer: 5 },
  node: { input: 1, output: 2, name: 3, op: 4 },
  tensor: { dims: 1, type: 2, floats: 4, name: 8, raw: 9, external: 13 },
} as const;

/**
 * Reads a model whose weights are in the file itself.
 * @throws TristageError E_ONNX for a file that breaks a rule, or keeps weights elsewhere
 */
export async function readOnnx(path: string): Promise<OnnxModel> {
  const { size } = await stat(path);
  if (size > LARGEST_FILE) throw onnxError(path, `${size} bytes`, `at most ${LARGEST_FILE}`);
  const bytes = new Uint8Array(await readFile(path));
  const model: OnnxModel = { path, nodes: [], tensors: new Map() };
  for (const field of fields(bytes, path)) {
    if (field.number === FIELD.model.graph) readGraph(bytesOf(field, path), model);
  }
  if (model.nodes.length === 0) throw onnxError(path, 'no graph', 'an ONNX model');
  return model;
}

function readGraph(bytes: Uint8Array, { path, nodes, tensors }: OnnxModel): void {
  for (const field of fields(bytes, path)) {
    if (field.number === FIELD.graph.node) nodes.push(nodeOf(bytesOf(field, path), path));
    if (field.number !== FIELD.graph.initializer) continue;
    const found = tensorOf(bytesOf(field, path), path);
    if (found === undefined) continue;
    if (tensors.has(found.name)) throw onnxError(path, `two tensors ${found.name}`, 'each name once');
    tensors.set(found.name, found.tensor);
  }
}

function nodeOf(bytes: Uint8Array, path: string): OnnxNode {
  const node: OnnxNode = { name: '', op: '', inputs: [], outputs: [] };
  for (const field of fields(bytes, path)) {
    const { number } = field;
    if (number === FIELD.node.input) node.inputs.push(textOf(field, path));
    else if (number === FIELD.node.output) node.outputs.push(textOf(field, path));
    else if (number === FIELD.node.name) node.name = textOf(field, path);
    else if (number === FIELD.node.op) node.op = textOf(field, path);
  }
  return node;
}

function tensorOf(bytes: Uint8Array, path: string): { name: string; tensor: HostTensor } | undefined {
  let name = '';
  let type = 0;
  let data: Uint8Array | undefined;
  const shape: number[] = [];
  for (const field of fields(bytes, path)) {
    const { number, value } = field;
    if (number === FIELD.tensor.dims) shape.push(...(typeof value === 'number' ? [value] : varints(value, path)));
    else if (number === FIELD.tensor.type) type = Number(value);
    else if (number === FIELD.tensor.name) name = textOf(field, path);
    else if (number === FIELD.tensor.floats || number === FIELD.tensor.raw) data = bytesOf(field, path);
    else if (number === FIELD.tensor.external) throw onnxError(path, `${name} in another file`, 'weights in this file');
  }
  if (type !== FLOAT) return undefined;
  const count = elementCount(shape);
  if (data === undefined || count === undefined || data.length !== 4 * count) {
    throw onnxError(path, `${name} of ${data?.length ?? 0} bytes`, `float32 [${shape.join(', ')}]`);
  }
  // A copy lies where four-byte numbers may.
  return { name, tensor: { dtype: 'F32', shape, bytes: data.slice() } };
}

/** Packed numbers: the same bytes as fields without their keys. */
function varints(bytes: Uint8Array, path: string): number[] {
  const numbers: number[] = [];
  let value = 0;
  let shift = 0;
  for (const byte of bytes) {
    value += (byte & 127) * 2 ** shift;
    shift += 7;
    if (byte >= 128) continue;
    numbers.push(value);
    [value, shift] = [0, 0];
  }
  if (shift !== 0) throw onnxError(path, 'an end inside a number', 'a whole file');
  return numbers;
}

function fields(bytes: Uint8Array, path: string): Generator<ProtobufField> {
  return protobufFields(bytes, (found, expected) => onnxError(path, found, expected));
}

function bytesOf({ number, value }: ProtobufField, path: string): Uint8Array {
  if (typeof value !== 'number') return value;
  throw onnxError(path, `a number in field ${number}`, 'bytes');
}

function textOf(field: ProtobufField, path: string): string {
  return new TextDecoder().decode(bytesOf(field, path));
}

/** An error of an ONNX file. */
export function onnxError(path: string, found: string, expected: string): TristageError {
  return fileError(path, {
    code: 'E_ONNX',
    message: 'the ONNX file cannot be used',
    found,
    expected,
    fix: 'fetch the file again',
  });
}

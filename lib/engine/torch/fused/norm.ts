/** Layer normalisation and exact GELU by torch's own operators, on any device. */

import type { TensorInfo } from '../../tf.ts';
import { type Handle, operator, withTemporaries } from '../binding.ts';
import { type Kernel, type KernelTable, toType } from '../kernels/kernel.ts';

const layerNormOf = operator<[Handle, Handle, Handle]>('aten::native_layer_norm');
const layerNormBackward = operator<(Handle | null)[]>('aten::native_layer_norm_backward');
const geluOf = operator('aten::gelu');
const geluBackward = operator('aten::gelu_backward');

/** Shape of one number for each row. */
const statistic = (x: TensorInfo): number[] => [...x.shape.slice(0, -1), 1];
const lastWidth = (x: TensorInfo): number => x.shape[x.shape.length - 1]!;

const layerNorm: Kernel = ({ backend, inputs, attrs }) => {
  const x = inputs['x']!;
  const [weight, bias] = [backend.handle(inputs['weight']!), backend.handle(inputs['bias']!)];
  const [y, mean, rstd] = layerNormOf(backend.handle(x), [lastWidth(x)], weight, bias, attrs['eps'] as number);
  return [
    backend.output(y, x.shape, 'float32'),
    backend.output(mean, statistic(x), 'float32'),
    backend.output(rstd, statistic(x), 'float32'),
  ];
};

/** On bfloat16; the statistics are float32, as CUDA gives them and processors do not. */
const narrowLayerNorm: Kernel = ({ backend, inputs, attrs }) => {
  const x = inputs['x']!;
  const [weight, bias] = [backend.handle(inputs['weight']!), backend.handle(inputs['bias']!)];
  const [y, ...given] = layerNormOf(backend.handle(x), [lastWidth(x)], weight, bias, attrs['eps'] as number);
  const [mean, rstd] = withTemporaries((keep) => given.map((each) => toType(keep(each), 'float32')));
  return [
    backend.output(y, x.shape, 'float32'),
    backend.output(mean!, statistic(x), 'float32'),
    backend.output(rstd!, statistic(x), 'float32'),
  ];
};

const layerNormGradX: Kernel = ({ backend, inputs }) => {
  const x = inputs['x']!;
  const [dy, from, mean, rstd, weight] = ['dy', 'x', 'mean', 'rstd', 'weight'].map((name) =>
    backend.handle(inputs[name]!),
  );
  const [dx] = layerNormBackward(dy, from, [lastWidth(x)], mean, rstd, weight, null, [true, false, false]);
  return [backend.output(dx!, x.shape, 'float32')];
};

const gelu: Kernel = ({ backend, inputs }) => {
  const x = inputs['x']!;
  return backend.output(geluOf(backend.handle(x), 'none'), x.shape, 'float32');
};

const geluGrad: Kernel = ({ backend, inputs }) => {
  const x = inputs['x']!;
  return backend.output(geluBackward(backend.handle(inputs['dy']!), backend.handle(x), 'none'), x.shape, 'float32');
};

/** Of any floating type. */
const geluKernels: KernelTable = {
  GeluErf: (call) => [gelu(call) as TensorInfo],
  GeluErfGrad: (call) => [geluGrad(call) as TensorInfo],
};

export const normKernels: KernelTable = { LayerNorm: layerNorm, LayerNormGradX: layerNormGradX, ...geluKernels };

/** For inputs in bfloat16. */
export const narrowNormKernels: KernelTable = { LayerNorm: narrowLayerNorm, ...geluKernels };

/** Fused kernels that the addon brings itself, for float32 on the CPU (lib/engine/native/kernels.cpp). */

import { type DropoutMaskArgs, dropoutThreshold } from '../../ops/dropout-mask.ts';
import type { TensorInfo } from '../../tf.ts';
import { type Handle, native, operator, withTemporaries } from '../binding.ts';
import type { Kernel, KernelCall, KernelTable } from '../kernels/kernel.ts';

const attention = operator<[Handle, Handle]>('tristage::attention');
const attentionGrad = operator<[Handle, Handle, Handle]>('tristage::attention_grad');
const crossEntropy = operator<[Handle, Handle]>('tristage::cross_entropy');
const crossEntropyGrad = operator('tristage::cross_entropy_grad');
const dropoutMaskOf = operator('tristage::dropout_mask');
const layerNormGradAffine = operator<[Handle, Handle]>('tristage::layer_norm_grad_affine');
const rmsNorm = operator<[Handle, Handle]>('tristage::rms_norm');
const rmsNormGradWeight = operator('tristage::rms_norm_grad_weight');
const rmsNormGradX = operator('tristage::rms_norm_grad_x');
const rope = operator('tristage::rope');
const swiGlu = operator('tristage::swiglu');
const swiGluGrad = operator<[Handle, Handle]>('tristage::swiglu_grad');

const handle = ({ backend, inputs }: KernelCall, name: string): Handle => backend.handle(inputs[name]!);
const optional = (call: KernelCall, name: string): Handle | null =>
  call.inputs[name] === undefined ? null : handle(call, name);
const result = ({ backend }: KernelCall, value: Handle, shape: readonly number[]): TensorInfo =>
  backend.output(value, [...shape], 'float32');

const rmsNormKernel: Kernel = (call) => {
  const { shape } = call.inputs['x']!;
  const [y, rstd] = rmsNorm(handle(call, 'x'), handle(call, 'weight'), call.attrs['eps'] as number);
  return [result(call, y, shape), result(call, rstd, [...shape.slice(0, -1), 1])];
};

const attentionKernel: Kernel = (call) => {
  const { shape } = call.inputs['q']!;
  const { scale, causal } = call.attrs as { scale: number; causal: boolean };
  const bias = optional(call, 'bias');
  const [o, lse] = attention(handle(call, 'q'), handle(call, 'k'), handle(call, 'v'), bias, scale, causal);
  return [result(call, o, shape), result(call, lse, shape.slice(0, 3))];
};

const attentionGradKernel: Kernel = (call) => {
  const { scale, causal } = call.attrs as { scale: number; causal: boolean };
  const [dy, q, k, v, o, lse] = ['dy', 'q', 'k', 'v', 'o', 'lse'].map((name) => handle(call, name));
  const grads = attentionGrad(dy, q, k, v, o, lse, optional(call, 'bias'), scale, causal);
  return ['q', 'k', 'v'].map((name, i) => result(call, grads[i]!, call.inputs[name]!.shape));
};

const dropoutMask: Kernel = (call) => {
  const { rowKeys, columnKeys, rate } = call.attrs as DropoutMaskArgs;
  const mask = withTemporaries((keep) => {
    const [rows, columns] = [rowKeys, columnKeys].map((keys) =>
      keep(native().fromData(keys, 'int32', [keys.length], 'int32', 'cpu')),
    );
    return dropoutMaskOf(rows!, columns!, dropoutThreshold(rate));
  });
  return call.backend.output(mask, [rowKeys.length, columnKeys.length], 'bool');
};

export const cpuKernels: KernelTable = {
  RmsNorm: rmsNormKernel,
  RmsNormGradX: (call) => {
    const dx = rmsNormGradX(handle(call, 'dy'), handle(call, 'x'), handle(call, 'weight'), handle(call, 'rstd'));
    return [result(call, dx, call.inputs['x']!.shape)];
  },
  RmsNormGradWeight: (call) => {
    const dw = rmsNormGradWeight(handle(call, 'dy'), handle(call, 'x'), handle(call, 'rstd'));
    return [result(call, dw, call.inputs['x']!.shape.slice(-1))];
  },
  LayerNormGradAffine: (call) => {
    const [dy, x, mean, rstd] = ['dy', 'x', 'mean', 'rstd'].map((name) => handle(call, name));
    const width = call.inputs['x']!.shape.slice(-1);
    return layerNormGradAffine(dy, x, mean, rstd).map((grad) => result(call, grad, width));
  },
  Rope: (call) => {
    const inverse = call.attrs['inverse'] === true;
    const y = rope(handle(call, 'x'), handle(call, 'cos'), handle(call, 'sin'), inverse);
    return [result(call, y, call.inputs['x']!.shape)];
  },
  Attention: attentionKernel,
  AttentionGrad: attentionGradKernel,
  SwiGlu: (call) => [result(call, swiGlu(handle(call, 'gate'), handle(call, 'up')), call.inputs['gate']!.shape)],
  SwiGluGrad: (call) =>
    swiGluGrad(handle(call, 'dy'), handle(call, 'gate'), handle(call, 'up')).map((grad) =>
      result(call, grad, call.inputs['gate']!.shape),
    ),
  MaskedCrossEntropy: (call) => {
    const rows = call.inputs['labels']!.shape;
    const [nll, lse] = crossEntropy(handle(call, 'logits'), handle(call, 'labels'));
    return [result(call, nll, rows), result(call, lse, rows)];
  },
  MaskedCrossEntropyGrad: (call) => {
    const [dy, logits, labels, lse] = ['dy', 'logits', 'labels', 'lse'].map((name) => handle(call, name));
    return [result(call, crossEntropyGrad(dy, logits, labels, lse), call.inputs['logits']!.shape)];
  },
  DropoutMask: dropoutMask,
};

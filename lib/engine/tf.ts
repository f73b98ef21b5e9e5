/**
 * The one door to TensorFlow.js: every other file imports `tf` from here.
 * The umbrella package is loaded rather than tfjs-core because only the umbrella registers the stock gradients.
 */
import * as tf from '@tensorflow/tfjs';

export type {
  DataId,
  DataType,
  GradConfig,
  KernelConfig,
  NamedAttrMap,
  NamedTensorInfoMap,
  NamedTensorMap,
  Rank,
  Scalar,
  Tensor,
  Tensor1D,
  Tensor2D,
  Tensor3D,
  Tensor4D,
  TensorInfo,
  TypedArray,
  Variable,
} from '@tensorflow/tfjs';
export { tf };

/** The engine `tensorflow`: `@tensorflow/tfjs-node-gpu` on today's TensorFlow library. */

export { chosenDir, nativeTensors, type OpenTensorflow, openTensorflow, type TensorflowOptions } from './open.ts';
export { setupTensorflow, type TensorflowSetup } from './setup.ts';

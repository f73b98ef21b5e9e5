/** Differentiation: the value of a function and its gradients, and blocks that are recomputed. */
export { recompute } from './recompute.ts';
export { type ValueAndGrads, valueAndGrads, vectorJacobianProduct } from './value-and-grads.ts';

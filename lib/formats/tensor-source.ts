/** Tensors on their way into a file: described first, fetched only when their turn comes, so that one is in memory at a time. */

import { TristageError } from '../core/errors.ts';
import { checkHostTensor, type HostDtype, type HostTensor } from './host-tensor.ts';

/** A tensor that is fetched only when its turn to be written comes. */
export interface TensorSource {
  readonly dtype: HostDtype;
  readonly shape: readonly number[];
  read(): Promise<HostTensor> | HostTensor;
}

/**
 * Fetches a tensor that the head of a file has already described.
 * @param name of the tensor, for messages
 * @throws TristageError E_TENSOR when it is not of the dtype, shape and length that were described
 */
export async function readSource(name: string, source: TensorSource): Promise<HostTensor> {
  const tensor = await source.read();
  checkHostTensor(tensor);
  if (tensor.dtype === source.dtype && tensor.shape.join() === source.shape.join()) return tensor;
  throw new TristageError({
    kind: 'checkpoint',
    code: 'E_TENSOR',
    message: 'a tensor changed while it was written',
    where: name,
    found: `${tensor.dtype} [${tensor.shape.join(', ')}]`,
    expected: `${source.dtype} [${source.shape.join(', ')}]`,
  });
}

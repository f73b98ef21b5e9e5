import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { tf } from '../../../lib/engine/tf.ts';
import { createParam } from '../../../lib/model/store.ts';
import { checkFrozen, printFrozen } from '../../../lib/train/frozen.ts';
import { openTestEngine } from '../../support/engine.ts';

await openTestEngine();

const LARGE = (1 << 19) + 7;
const large = () => Float32Array.from({ length: LARGE }, (_, i) => i / LARGE);
const small = () => Float32Array.of(1, 2, 3, 4);

function store(changes: { small?: Float32Array; large?: Float32Array; trained?: Float32Array } = {}) {
  const param = (values: Float32Array, trainable: boolean) =>
    createParam({ values, shape: [values.length], trainable });
  return new Map([
    ['small', param(changes.small ?? small(), false)],
    ['large', param(changes.large ?? large(), false)],
    ['trained', param(changes.trained ?? small(), true)],
  ]);
}

const stores = [store()];
after(() => tf.dispose(stores.map((one) => [...one.values()])));

test('weights that stayed as they were pass, whatever became of those that train', async () => {
  const before = await printFrozen(stores[0]!);
  assert.deepEqual([...before.keys()], ['small', 'large']);
  stores.push(store({ trained: Float32Array.of(9, 9, 9, 9) }));
  await checkFrozen(stores.at(-1)!, before);
});

test('a change of the last bit of one value is an error that names the weight', async () => {
  const before = await printFrozen(stores[0]!);
  const changed = small();
  changed[2] = 3 + 2 ** -22;
  stores.push(store({ small: changed }));
  await assert.rejects(checkFrozen(stores.at(-1)!, before), { code: 'E_FROZEN', where: 'small' });
});

test('an update of all values of a large weight is seen, though only some of them are read', async () => {
  const before = await printFrozen(stores[0]!);
  stores.push(store({ large: large().map((value) => value * 1.001) }));
  await assert.rejects(checkFrozen(stores.at(-1)!, before), { code: 'E_FROZEN', where: 'large' });
});

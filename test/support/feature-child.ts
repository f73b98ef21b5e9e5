/** A process that fills a feature cache: `feature-child.ts DIR FROM TO`; prints a line for each entry and never ends by itself. */
import { openFeatureStore } from '../../lib/data/feature-store/store.ts';

const [dir = '', from = '0', to = '0'] = process.argv.slice(2);
const values = 200_000;
const store = await openFeatureStore({ dir, namespace: 'shared', values, dtype: 'float32', maxBytes: 1e9 });
for (let seed = Number(from); seed < Number(to); seed++) {
  const key = `image ${seed}`;
  if ((await store.get(key)) === undefined) await store.put(key, new Float32Array(values).fill(seed));
  console.log(seed);
}
await store.close();
console.log('done');
setInterval(() => undefined, 1000);

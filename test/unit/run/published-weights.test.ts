import assert from 'node:assert/strict';
import { join } from 'node:path';
import { it } from 'node:test';
import { exportModel } from '../../../lib/export/export.ts';
import { minigptv2 } from '../../../lib/export/minigptv2.ts';
import { toFloat32 } from '../../../lib/formats/host-tensor.ts';
import { disposeMiniGpt } from '../../../lib/model/minigpt.ts';
import { assembleModel } from '../../../lib/run/weights.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { TINY, tinyExport } from '../export/tiny-export.ts';

it('a run that names the files of a minigptv2 export as published weights starts from the very model, ln_vision included', async () => {
  const out = join(temporaryFolder('tristage-published-'), 'export');
  const { subject, ...rest } = tinyExport();
  const wanted = new Map<string, Float32Array>();
  for (const [name, source] of subject.weights) wanted.set(name, toFloat32(await source.read()));
  await exportModel({ ...rest, subject, format: minigptv2, options: { loraKeys: 'default' }, out });
  const { model, stored, external } = await assembleModel({
    config: TINY,
    weights: {
      vision: join(out, 'eva_vit.pth'),
      llm: join(out, 'base'),
      projector: join(out, 'minigptv2_checkpoint.pth'),
    },
    trainable: () => false,
    seed: 1,
  });
  for (const [name, values] of wanted) assert.deepEqual(model.store.get(name)?.dataSync(), values, name);
  assert.equal(model.store.size, wanted.size);
  assert.deepEqual([...stored], []);
  assert.equal(external.length, 3);
  disposeMiniGpt(model);
});

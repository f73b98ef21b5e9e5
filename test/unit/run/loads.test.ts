import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fromFloat32, type HostTensor } from '../../../lib/formats/host-tensor.ts';
import { writeSafetensors } from '../../../lib/formats/safetensors.ts';
import { disposeMiniGpt } from '../../../lib/model/minigpt.ts';
import { loraShapes, modelShapes, projectorShapes, type ShapeTable, visionShapes } from '../../../lib/model/shapes.ts';
import { describeLoad, loadDetails, loadFacts } from '../../../lib/run/loads.ts';
import { assembleModel } from '../../../lib/run/weights.ts';
import { openTestEngine } from '../../support/engine.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { TINY } from '../export/tiny-export.ts';

await openTestEngine();
const folder = temporaryFolder('tristage-loads-');

/** 32 layers as the released model has, so that its checkpoint has 128 adapters. */
const config = {
  ...TINY,
  llm: { ...TINY.llm, layers: 32 },
  lora: { rank: 2, alpha: 4, dropout: 0, targets: ['q_proj', 'v_proj'] as const },
};
const adapters = loraShapes(config.llm, config.lora);

function valuesOf(shapes: ShapeTable): Map<string, HostTensor> {
  return new Map(
    [...shapes].map(([name, shape]) => [
      name,
      fromFloat32(new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(0.5), shape),
    ]),
  );
}

async function load(weights: { projector?: string; vision?: string }) {
  const { model, loads } = await assembleModel({ config, weights, trainable: () => false, seed: 1 });
  const first = model.store.get('llama_model.model.layers.31.self_attn.v_proj.lora_B.weight')?.dataSync()[0];
  disposeMiniGpt(model);
  return { loads, first };
}

describe('the report of a load', () => {
  for (const [spelling, suffix] of [
    ['plain', '.weight'],
    ['default', '.default.weight'],
  ] as const) {
    it(`counts all 128 adapters and 2 tensors of the projector in the ${spelling} spelling`, async () => {
      const path = join(folder, `${spelling}.safetensors`);
      const named = [...valuesOf(new Map([...projectorShapes(config), ...adapters]))].map(
        ([name, tensor]): [string, HostTensor] => [
          name.replace('llama_model.', 'llama_model.base_model.model.').replace(/(lora_[AB])\.weight$/, `$1${suffix}`),
          tensor,
        ],
      );
      await writeSafetensors(path, new Map(named));
      const { loads, first } = await load({ projector: path });
      assert.equal(first, 0.5);
      assert.equal(
        describeLoad(loads[0]!),
        `weights of projector: ${path} (minigptv2): 130 found, 128 of them adapters, 2 missing, they start anew, 0 ignored`,
      );
    });
  }

  it('is an error when a file has some adapters and not all', async () => {
    const path = join(folder, 'partial.safetensors');
    const some = valuesOf(new Map([...projectorShapes(config), ...[...adapters].slice(1)]));
    await writeSafetensors(path, some);
    await assert.rejects(load({ projector: path }), {
      code: 'E_WEIGHT_MISSING',
      where: path,
      found: /layers\.0\..*lora_A/,
    });
  });

  it('says that adapters start anew when a file has none', async () => {
    const path = join(folder, 'none.safetensors');
    await writeSafetensors(path, valuesOf(projectorShapes(config)));
    const { loads, first } = await load({ projector: path });
    assert.equal(first, 0);
    assert.match(describeLoad(loads[0]!), /: 2 found, 130 missing, they start anew, 0 ignored$/);
  });

  it('names what a published tower holds beyond the model, what was cast, and a position embedding of another grid', async () => {
    const path = join(folder, 'eva.safetensors');
    const bare = new Map(
      [...valuesOf(visionShapes({ ...config.vision, imageSize: 2 * config.vision.imageSize }))]
        .filter(([name]) => name.startsWith('visual_encoder.'))
        .map(([name, tensor]): [string, HostTensor] => [name.replace('visual_encoder.', ''), tensor]),
    );
    const half: HostTensor = {
      dtype: 'F16',
      shape: [config.vision.width],
      bytes: new Uint8Array(2 * config.vision.width),
    };
    bare.set('blocks.39.norm1.weight', half).set('norm.weight', half).set('head.bias', half);
    bare.set('blocks.0.norm1.weight', half);
    await writeSafetensors(path, bare);
    const { loads } = await load({ vision: path });
    const line = describeLoad(loads[0]!);
    assert.match(
      line,
      /^weights of vision: .*\(eva\): \d+ found, 2 missing, they start anew, 3 ignored, cast from 1 F16 to F32/,
    );
    assert.match(line, /visual_encoder\.pos_embed fitted from \[1,\d+,\d+\] to \[1,\d+,\d+\]$/);
    const details = loadDetails(loads[0]!);
    assert.ok(details.includes('ignored: blocks.39.norm1.weight (the ViT-g is used without its block 39)'));
    assert.ok(details.includes('missing: ln_vision.weight'));
    assert.ok(details.includes('cast: visual_encoder.blocks.0.norm1.weight from F16 to F32'));
    const facts = JSON.parse(JSON.stringify(loadFacts(loads[0]!)));
    assert.deepEqual(
      [facts.part, facts.missing, facts.cast],
      ['vision', ['ln_vision.weight', 'ln_vision.bias'], '1 F16'],
    );
  });

  it('is an error when a published tower lacks one key that is needed', async () => {
    const path = join(folder, 'short.safetensors');
    const all = valuesOf(visionShapes(config.vision));
    all.delete('visual_encoder.blocks.1.mlp.fc2.bias');
    await writeSafetensors(path, all);
    await assert.rejects(load({ vision: path }), { code: 'E_WEIGHT_MISSING', found: /blocks\.1\.mlp\.fc2\.bias/ });
    assert.ok(modelShapes(config).has('visual_encoder.blocks.1.mlp.fc2.bias'));
  });
});

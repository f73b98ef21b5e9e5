import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import YAML from 'yaml';
import { openWeights } from '../../../lib/checkpoint/weights-file.ts';
import { exportModel } from '../../../lib/export/export.ts';
import { minigptv2 } from '../../../lib/export/minigptv2.ts';
import { type HostTensor, toFloat32 } from '../../../lib/formats/host-tensor.ts';
import { readTorchFile } from '../../../lib/formats/torch-zip.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { TINY, tinyExport } from './tiny-export.ts';

const folder = temporaryFolder('tristage-minigptv2-');
const CHECKPOINT = 'minigptv2_checkpoint.pth';

/** Values of `ln_vision` as the reference leaves them. */
const neutralNorm = (name: string, length: number): Float32Array | undefined =>
  name.startsWith('ln_vision.') ? new Float32Array(length).fill(name.endsWith('weight') ? 1 : 0) : undefined;

async function stateOf(path: string): Promise<Record<string, HostTensor>> {
  const root = (await readTorchFile(path)) as Record<string, Record<string, HostTensor>>;
  assert.deepEqual(Object.keys(root), ['model']);
  return root['model']!;
}

/** The keys that the reference saves: adapters of q and v in every layer, then the projector. */
function referenceKeys(adapter: string): string[] {
  const layers = [0, 1].map((i) => `llama_model.base_model.model.model.layers.${i}.self_attn.`);
  const adapters = layers.flatMap((layer) =>
    ['q_proj', 'v_proj'].flatMap((target) => ['A', 'B'].map((m) => `${layer}${target}.lora_${m}${adapter}.weight`)),
  );
  return [...adapters, 'llama_proj.weight', 'llama_proj.bias'];
}

describe('the minigptv2 export', () => {
  for (const [loraKeys, adapter] of [
    ['plain', ''],
    ['default', '.default'],
  ] as const) {
    it(`holds exactly what the reference saves, adapters spelled lora_A${adapter}`, async () => {
      const out = join(folder, loraKeys);
      const { subject, ...rest } = tinyExport(TINY, neutralNorm);
      const want = await Promise.all([...subject.weights.values()].map((source) => source.read()));
      const values = new Map([...subject.weights.keys()].map((name, i) => [name, want[i]!]));
      const manifest = await exportModel({ ...rest, subject, format: minigptv2, options: { loraKeys }, out });
      assert.ok(manifest.parity.maxAbsLogitDiff <= 1e-6, String(manifest.parity.maxAbsLogitDiff));
      const state = await stateOf(join(out, CHECKPOINT));
      assert.deepEqual(Object.keys(state), referenceKeys(adapter));
      const first = Object.keys(state)[0]!;
      assert.deepEqual(state[first], values.get('llama_model.model.layers.0.self_attn.q_proj.lora_A.weight'));
      assert.deepEqual(state['llama_proj.bias'], values.get('llama_proj.bias'));
      assert.deepEqual(Object.keys(manifest.files[CHECKPOINT]!.tensors!), referenceKeys(adapter));
    });
  }

  it('holds ln_vision only where it does something', async () => {
    const out = join(folder, 'norm');
    await exportModel({ ...tinyExport(), format: minigptv2, options: {}, out });
    const state = await stateOf(join(out, CHECKPOINT));
    assert.deepEqual(Object.keys(state), [...referenceKeys(''), 'ln_vision.weight', 'ln_vision.bias']);
  });

  it('lays what was trained here beside it in the forms of the published files', async () => {
    const out = join(folder, 'parts');
    await exportModel({ ...tinyExport(), format: minigptv2, options: {}, out });
    const tower = await openWeights(join(out, 'eva_vit.pth'));
    assert.ok(tower.entries.has('blocks.1.attn.q_bias') && tower.entries.has('pos_embed'));
    assert.ok([...tower.entries.keys()].every((name) => !/visual_encoder|ln_vision/.test(name)));
    await tower.close();
    const base = await openWeights(join(out, 'base'));
    assert.ok(base.entries.has('model.layers.1.mlp.up_proj.weight') && base.entries.has('lm_head.weight'));
    await base.close();
  });

  it('refers to published parts instead of holding them', async () => {
    const whole = join(folder, 'parts-whole');
    await exportModel({ ...tinyExport(), format: minigptv2, options: {}, out: whole });
    const out = join(folder, 'parts-outside');
    const { subject, ...rest } = tinyExport();
    const outside = [
      { part: 'vision' as const, path: join(whole, 'eva_vit.pth'), files: [] },
      { part: 'llm' as const, path: join(whole, 'base'), files: [] },
    ];
    await exportModel({ ...rest, subject: { ...subject, outside }, format: minigptv2, options: {}, out });
    const files = await readdir(out);
    assert.ok(!files.includes('eva_vit.pth') && !files.includes('base') && files.includes(CHECKPOINT), files.join());
    const settings = YAML.parse(await readFile(join(out, 'minigptv2.yaml'), 'utf8'));
    assert.equal(settings.model.llama_model, join(whole, 'base'));
  });

  it('settles for the reference scaling by alpha / rank where the run scaled by alpha / sqrt(rank)', async () => {
    const out = join(folder, 'rslora');
    const config = { ...TINY, lora: { ...TINY.lora!, rslora: true } };
    await exportModel({ ...tinyExport(config), format: minigptv2, options: {}, out });
    const { model } = YAML.parse(await readFile(join(out, 'minigptv2.yaml'), 'utf8'));
    assert.ok(Math.abs(model.lora_alpha / model.lora_r - 3 / Math.sqrt(2)) < 1e-12);
    assert.equal(model.ckpt, CHECKPOINT);
  });

  it('holds the projector alone for a model without adapters', async () => {
    const out = join(folder, 'bare');
    const { lora: _, ...config } = TINY;
    await exportModel({ ...tinyExport(config, neutralNorm), format: minigptv2, options: {}, out });
    const state = await stateOf(join(out, CHECKPOINT));
    assert.deepEqual(Object.keys(state), ['llama_proj.weight', 'llama_proj.bias']);
    assert.equal(toFloat32(state['llama_proj.bias']!).length, 16);
  });

  it('gives equal bytes for an equal model', async () => {
    const outs = [join(folder, 'again-1'), join(folder, 'again-2')];
    for (const out of outs) await exportModel({ ...tinyExport(), format: minigptv2, options: {}, out });
    for (const file of [CHECKPOINT, 'eva_vit.pth', 'minigptv2.yaml']) {
      const [one, two] = await Promise.all(outs.map((out) => readFile(join(out, file))));
      assert.ok(one!.equals(two!), file);
    }
  });
});

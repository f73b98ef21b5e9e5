import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { detectLayout, meaningOf, type Spelling, spelled, type WeightLayout } from '../../../lib/checkpoint/names.ts';

const LORA = 'llama_model.model.layers.7.self_attn.v_proj.lora_B.weight';
const BASE = 'llama_model.model.layers.7.mlp.down_proj.weight';

describe('spellings of weight names', () => {
  it('are those of the programs that read them', () => {
    assert.equal(
      spelled(LORA, 'minigptv2'),
      'llama_model.base_model.model.model.layers.7.self_attn.v_proj.lora_B.weight',
    );
    assert.equal(
      spelled(LORA, 'minigptv2-default'),
      'llama_model.base_model.model.model.layers.7.self_attn.v_proj.lora_B.default.weight',
    );
    assert.equal(spelled(LORA, 'peft'), 'base_model.model.model.layers.7.self_attn.v_proj.lora_B.weight');
    assert.equal(spelled(BASE, 'llama'), 'model.layers.7.mlp.down_proj.weight');
    assert.equal(spelled('llama_model.lm_head.weight', 'llama'), 'lm_head.weight');
    assert.equal(spelled('visual_encoder.cls_token', 'eva'), 'cls_token');
    assert.equal(spelled('llama_proj.bias', 'minigptv2'), 'llama_proj.bias');
  });

  it('lead back to the name in memory', () => {
    const cases: [Spelling, WeightLayout, string[]][] = [
      ['minigptv2', 'minigptv2', [LORA, BASE, 'llama_proj.weight', 'visual_encoder.pos_embed', 'ln_vision.bias']],
      ['minigptv2-default', 'minigptv2', [LORA, BASE, 'llama_model.lm_head.weight']],
      ['peft', 'peft', [LORA]],
      ['llama', 'llama', [BASE, 'llama_model.model.norm.weight', 'llama_model.lm_head.weight']],
      ['eva', 'eva', ['visual_encoder.blocks.3.attn.q_bias', 'visual_encoder.pos_embed']],
    ];
    for (const [spelling, layout, names] of cases) {
      for (const name of names) assert.deepEqual(meaningOf(spelled(name, spelling), layout), { name });
    }
  });

  it('of DINOv2 are told from those of EVA, and their last norm is ln_vision', () => {
    const bare = ['cls_token', 'patch_embed.proj.weight', 'norm.weight'];
    assert.equal(detectLayout([...bare, 'blocks.0.attn.q_bias'], 'x'), 'eva');
    assert.equal(detectLayout([...bare, 'blocks.0.attn.qkv.bias'], 'x'), 'vit');
    assert.equal(detectLayout([...bare, 'blocks.0.ls1.gamma'], 'x'), 'vit');
    assert.deepEqual(meaningOf('norm.weight', 'vit'), { name: 'ln_vision.weight' });
    assert.deepEqual(meaningOf('blocks.2.ls2.gamma', 'vit'), { name: 'visual_encoder.blocks.2.ls2.gamma' });
    assert.ok('ignored' in meaningOf('mask_token', 'vit') && 'ignored' in meaningOf('norm.weight', 'eva'));
  });

  it('do not exist for weights that a kind of file does not hold', () => {
    const impossible: [string, Spelling][] = [
      ['llama_proj.weight', 'peft'],
      [BASE, 'peft'],
      [LORA, 'llama'],
      ['llama_proj.weight', 'eva'],
    ];
    for (const [name, spelling] of impossible) assert.throws(() => spelled(name, spelling), { code: 'E_WEIGHT_NAME' });
  });
});

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { groupOf, trainableIn } from '../../../lib/train/trainable.ts';

describe('trainable groups', () => {
  const names = {
    vision: ['visual_encoder.cls_token', 'visual_encoder.blocks.3.attn.q_bias', 'ln_vision.weight'],
    projector: ['llama_proj.weight', 'llama_proj.bias'],
    lora: ['llama_model.model.layers.0.self_attn.q_proj.lora_A.weight'],
    llm: ['llama_model.model.layers.0.self_attn.q_proj.weight', 'llama_model.lm_head.weight'],
  } as const;

  it('hold every weight of the model, each in one group', () => {
    for (const [group, members] of Object.entries(names)) {
      for (const name of members) assert.equal(groupOf(name), group);
    }
  });

  it('train what a run names and nothing else', () => {
    const trains = trainableIn(['projector', 'lora']);
    const chosen = Object.values(names).flat().filter(trains);
    assert.deepEqual(chosen, [...names.projector, ...names.lora]);
  });

  it('refuse a name that is no part of the model', () => {
    assert.throws(() => groupOf('optimizer.state'), { code: 'E_TRAINABLE' });
  });
});

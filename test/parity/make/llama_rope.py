"""Makes test/parity/fixtures/llama_rope: one small LLaMA under each kind of rope scaling, as `transformers` computes it.

    python3 -m venv VENV && VENV/bin/pip install torch transformers safetensors
    VENV/bin/python test/parity/make/llama_rope.py test/parity/fixtures/llama_rope
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

SIZES = dict(vocab_size=40, hidden_size=64, intermediate_size=96, num_hidden_layers=1, num_attention_heads=2,
             num_key_value_heads=1, rms_norm_eps=1e-6, tie_word_embeddings=True, max_position_embeddings=256)
# Waves of 6 to 6000 positions, so that each rule of llama3 meets some: fast below 16, slow above 64.
ROPE = {
    "default": {"rope_type": "default", "rope_theta": 500.0},
    "linear": {"rope_type": "linear", "rope_theta": 500.0, "factor": 4.0},
    "llama3": {"rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 64},
}

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
ids = torch.tensor([[(11 * i * i + 5 * i + 2) % 40 for i in range(100)]])
state, io, cases, before = None, {"input_ids": ids.to(torch.int32)}, {}, None
for name, parameters in ROPE.items():
    torch.manual_seed(5)
    model = LlamaForCausalLM(LlamaConfig(**SIZES, rope_parameters=dict(parameters))).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            parameter.normal_(1.0 if key.endswith("norm.weight") else 0.0, 0.3)
        logits = model(ids).logits
    state = {key: value.contiguous() for key, value in model.state_dict().items() if key != "lm_head.weight"}
    io[f"{name}.inv_freq"] = model.model.rotary_emb.inv_freq.clone()
    io[f"{name}.logits"] = logits.contiguous()
    print(name, model.model.rotary_emb.inv_freq.tolist(), float((logits - (before if before is not None else logits)).abs().max()))
    before = logits
    newer = json.loads(model.config.to_json_string())
    older = {key: value for key, value in newer.items() if key != "rope_parameters"}
    older["rope_theta"] = parameters["rope_theta"]
    scaling = {key: value for key, value in parameters.items() if key != "rope_theta"}
    older["rope_scaling"] = None if name == "default" else scaling
    if name == "linear":
        older["rope_scaling"] = {"type": "linear", "factor": parameters["factor"]}
    # Both spellings of config.json, that of transformers 4 and that of 5
    cases[name] = {"newer": newer, "older": older}
save_file(state, folder / "weights.safetensors")
save_file(io, folder / "io.safetensors")
(folder / "config.json").write_text(json.dumps({
    "fixture": "llama_rope",
    "source": "transformers' LlamaForCausalLM, float32 on CPU",
    "versions": {"transformers": transformers.__version__, "torch": torch.__version__},
    "cases": cases,
}, indent=1) + "\n")

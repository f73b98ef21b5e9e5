"""Reads torch files with weights_only=True and prints what they hold as JSON: {file: {key: [dtype, shape, SHA-256 of the bytes]}}.

    python read_torch.py FILE...
    python read_torch.py --minigptv2 plain|default EXPORT

The second form also loads the export into modules that are named and nested as MiniGPT-v2's, around a LLaMA that is wrapped as PEFT
0.2 (plain) or later (default) does it, and prints the keys that were loaded and that no module has.
"""

import hashlib
import json
import os
import sys

import torch
from torch import nn


def flat(value, path=""):
    if isinstance(value, torch.Tensor):
        return {path: value}
    return {key: tensor for name, item in value.items() for key, tensor in flat(item, f"{path}{name}|").items()}


def described(path):
    tensors = flat(torch.load(path, weights_only=True))
    return {key.rstrip("|"): [str(t.dtype), list(t.shape), digest(t)] for key, t in tensors.items()}


def digest(tensor):
    values = tensor.detach().contiguous().reshape(-1)
    return hashlib.sha256(bytes(values.view(torch.uint8).tolist()) if values.numel() else b"").hexdigest()


def linear(inputs, outputs, bias=False):
    return nn.Linear(inputs, outputs, bias=bias)


class Adapted(nn.Linear):
    def __init__(self, inputs, outputs, rank, spelling):
        super().__init__(inputs, outputs, bias=False)
        pair = {"lora_A": linear(inputs, rank), "lora_B": linear(rank, outputs)}
        for name, module in pair.items():
            setattr(self, name, module if spelling == "plain" else nn.ModuleDict({"default": module}))


def weight(*shape):
    return nn.Parameter(torch.zeros(shape))


def tree(**children):
    module = nn.Module()
    for name, child in children.items():
        setattr(module, name, child)
    return module


def vision_block(width, hidden):
    attention = tree(q_bias=weight(width), v_bias=weight(width), qkv=linear(width, 3 * width), proj=linear(width, width, True))
    mlp = tree(fc1=linear(width, hidden, True), fc2=linear(hidden, width, True))
    return tree(norm1=nn.LayerNorm(width), attn=attention, norm2=nn.LayerNorm(width), mlp=mlp)


def vision_tower(facts):
    width, patch = facts["hidden_size"], facts["patch_size"]
    places = 1 + (facts["image_size"] // patch) ** 2
    blocks = [vision_block(width, facts["intermediate_size"]) for _ in range(facts["num_hidden_layers"])]
    return tree(
        cls_token=weight(1, 1, width),
        pos_embed=weight(1, places, width),
        patch_embed=tree(proj=nn.Conv2d(3, width, patch, patch)),
        blocks=nn.ModuleList(blocks),
    )


def language_block(facts, rank, spelling):
    width, hidden = facts["hidden_size"], facts["intermediate_size"]
    kv = width // facts["num_attention_heads"] * facts["num_key_value_heads"]
    attention = tree(
        q_proj=Adapted(width, width, rank, spelling),
        k_proj=linear(width, kv),
        v_proj=Adapted(width, kv, rank, spelling),
        o_proj=linear(width, width),
    )
    mlp = tree(gate_proj=linear(width, hidden), up_proj=linear(width, hidden), down_proj=linear(hidden, width))
    norms = {name: tree(weight=weight(width)) for name in ("input_layernorm", "post_attention_layernorm")}
    return tree(self_attn=attention, mlp=mlp, **norms)


def minigptv2(folder, spelling):
    with open(os.path.join(folder, "vision_config.json"), encoding="utf8") as file:
        vision = json.load(file)
    with open(os.path.join(folder, "base", "config.json"), encoding="utf8") as file:
        llama = json.load(file)
    with open(os.path.join(folder, "manifest.json"), encoding="utf8") as file:
        rank = json.load(file)["model"]["lora"]["rank"]
    width = llama["hidden_size"]
    layers = [language_block(llama, rank, spelling) for _ in range(llama["num_hidden_layers"])]
    words = nn.Embedding(llama["vocab_size"], width)
    inner = tree(embed_tokens=words, layers=nn.ModuleList(layers), norm=tree(weight=weight(width)))
    # PEFT 0.2 puts the head into a sequence when it prepares a model for 8 bits.
    causal = tree(model=inner, lm_head=nn.Sequential(linear(width, llama["vocab_size"])))
    return tree(
        visual_encoder=vision_tower(vision),
        ln_vision=nn.LayerNorm(vision["hidden_size"]),
        llama_model=tree(base_model=tree(model=causal)),
        llama_proj=linear(vision["joined_tokens"] * vision["hidden_size"], width, True),
    )


def loaded(folder, spelling):
    model = minigptv2(folder, spelling)
    state = torch.load(os.path.join(folder, "minigptv2_checkpoint.pth"), map_location="cpu", weights_only=True)["model"]
    # Wrong shapes raise here; strict loading of the tower allows no key too many or too few.
    message = model.load_state_dict(state, strict=False)
    model.visual_encoder.load_state_dict(torch.load(os.path.join(folder, "eva_vit.pth"), weights_only=True), strict=True)
    ours = model.state_dict()
    return {"unexpected": message.unexpected_keys, "loaded": {key: digest(ours[key]) for key in ours if key not in message.missing_keys}}


if sys.argv[1] == "--minigptv2":
    print(json.dumps(loaded(sys.argv[3], sys.argv[2])))
else:
    print(json.dumps({path: described(path) for path in sys.argv[1:]}))

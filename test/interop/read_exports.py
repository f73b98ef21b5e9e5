"""Loads exports with Python's own peft and transformers and compares their logits with those of the trained model.

usage: read_exports.py FOLDER [TOKENIZER_CASES.json]

FOLDER is an export of format peft or merged. The inputs and the trained model's logits are in its parity.safetensors. Prints one
JSON object: the largest difference of any logit, of the projector, and the texts whose ids differ from those of the trainer.
"""

import contextlib
import io
import json
import os
import re
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import load_file
from transformers import AutoTokenizer, LlamaForCausalLM

IMAGE_SLOT = -200


def load_model(folder, manifest):
    if manifest["format"] == "merged":
        return LlamaForCausalLM.from_pretrained(folder)
    import peft

    published = [part["path"] for part in manifest["outside"] if part["part"] == "llm"]
    base = LlamaForCausalLM.from_pretrained(published[0] if published else folder / "base")
    model = peft.PeftModel.from_pretrained(base, str(folder))
    adapters = [name for name, _ in model.named_parameters() if "lora_" in name]
    held = load_file(folder / "adapter_model.safetensors")
    assert len(adapters) == len(held), f"{len(held)} adapter tensors in the file, {len(adapters)} in the model"
    loaded = peft.get_peft_model_state_dict(model)
    assert set(loaded) == set(held) and all(torch.equal(loaded[name], held[name]) for name in held)
    return model


def logits_of(model, parity):
    """Logits at the recorded places, each row on its own, images already embedded."""
    token_ids, mask, images = parity["token_ids"], parity["attention_mask"], iter(parity["image_embeds"])
    rows = []
    for ids, attended in zip(token_ids, mask):
        length = int(attended.sum())
        ids = ids[:length].long()
        embeddings = model.get_input_embeddings()(ids.clamp(min=0)).clone()
        slots = ids == IMAGE_SLOT
        if slots.any():
            embeddings[slots] = next(images)
        padded = torch.zeros(len(attended), model.config.vocab_size)
        padded[:length] = model(inputs_embeds=embeddings[None]).logits[0]
        rows.append(padded)
    return torch.cat(rows)[parity["places"].long()]


def projector_difference(folder, parity):
    """The projector's file is used as the README says; its input is what the tower gave."""
    weights = load_file(folder / "projector.safetensors")
    found = parity["visual_tokens"] @ weights["llama_proj.weight"].T + weights["llama_proj.bias"]
    return (found - parity["image_embeds"]).abs().max().item()


def tower_difference(folder, manifest, parity):
    """The vision tower from its file, written out once more: EVA ViT, ln_vision, cls token dropped, neighbours joined."""
    vision, join = manifest["model"]["vision"], manifest["model"]["join"]
    weights = load_file(folder / "vision.safetensors") | load_file(folder / "projector.safetensors")
    get = lambda name: weights[name].float()
    width, heads = vision["width"], vision["heads"]
    norm = lambda x, name, eps: F.layer_norm(x, (width,), get(f"{name}.weight"), get(f"{name}.bias"), eps)
    linear = lambda x, name: F.linear(x, get(f"{name}.weight"), get(f"{name}.bias"))
    image = manifest["image"]
    mean, std = (torch.tensor(image[key])[:, None, None] for key in ("mean", "std"))
    x = (parity["pixels"].permute(0, 3, 1, 2).float() * image["scale"] - mean) / std
    tower = "visual_encoder."
    x = F.conv2d(x, get(tower + "patch_embed.proj.weight"), get(tower + "patch_embed.proj.bias"), stride=vision["patch"])
    x = x.flatten(2).transpose(1, 2)
    x = torch.cat([get(tower + "cls_token").expand(len(x), -1, -1), x], 1) + get(tower + "pos_embed")
    for layer in range(vision["depth"]):
        block = f"{tower}blocks.{layer}."
        bias = torch.cat([get(block + "attn.q_bias"), torch.zeros(width), get(block + "attn.v_bias")])
        qkv = F.linear(norm(x, block + "norm1", vision["eps"]), get(block + "attn.qkv.weight"), bias)
        q, k, v = qkv.unflatten(-1, (3, heads, width // heads)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + linear(mixed, block + "attn.proj")
        x = x + linear(F.gelu(linear(norm(x, block + "norm2", vision["eps"]), block + "mlp.fc1")), block + "mlp.fc2")
    x = norm(x, "ln_vision", vision["lnEps"])[:, 1:]
    return (x.reshape(len(x), -1, join * width) - parity["visual_tokens"]).abs().max().item()


def known(tokenizer, text, rows):
    """Ids of a text that the model knows: a piece without a row stands for the bytes of its text."""
    one = tokenizer.convert_tokens_to_ids
    spelled = lambda c: [one("\u2581")] if c == "\u2581" else [one(f"<0x{byte:02X}>") for byte in c.encode()]
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    return [n for i in ids for n in ([i] if i < rows else sum(map(spelled, tokenizer.convert_ids_to_tokens(i)), []))]


def tokenizer_faults(folder, manifest, cases):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = manifest["tokenizer"]["rows"]
    faults = []
    for case in cases:
        ids = known(tokenizer, case["text"], rows)
        if ids != case["ids"]:
            faults.append({"text": case["text"], "found": ids, "expected": case["ids"]})
        elif "decoded" in case and tokenizer.decode(ids, skip_special_tokens=True) != case["decoded"]:
            faults.append({"text": case["text"], "found": tokenizer.decode(ids, skip_special_tokens=True)})
    return faults


def readme_answer(folder):
    """Runs the README's own lines of Python, in their order, and gives what they print."""
    blocks = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.S)
    assert len(blocks) >= 2, f"{len(blocks)} blocks of Python"
    printed = io.StringIO()
    before = os.getcwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(printed):
            exec("\n".join(blocks), {})
    finally:
        os.chdir(before)
    return printed.getvalue().rstrip("\n")


def main():
    folder = Path(sys.argv[1])
    manifest = json.loads((folder / "manifest.json").read_text())
    parity = load_file(folder / "parity.safetensors")
    cases = json.loads(Path(sys.argv[2]).read_text()) if len(sys.argv) > 2 else []
    with torch.no_grad():
        model = load_model(folder, manifest).eval()
        difference = (logits_of(model, parity) - parity["logits"]).abs().max().item()
        result = {
            "format": manifest["format"],
            "places": len(parity["places"]),
            "maxAbsLogitDiff": difference,
            "maxAbsLogit": parity["logits"].abs().max().item(),
            "towerDiff": tower_difference(folder, manifest, parity) if (folder / "vision.safetensors").exists() else None,
            "projectorDiff": projector_difference(folder, parity),
            "tokenizerCases": len(cases),
            "tokenizerFaults": tokenizer_faults(folder, manifest, cases),
            "answer": readme_answer(folder),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        }
    print(json.dumps(result))


main()

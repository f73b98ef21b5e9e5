"""Makes test/parity/fixtures/dinov2: a small ViT of the DINOv2 family as transformers computes it, under the names of timm.

The position embedding is of a 3 x 3 grid and the image of 4 x 4 patches, so that it is resized on the way.

    python3 -m venv VENV && VENV/bin/pip install torch transformers safetensors
    VENV/bin/python test/parity/make/dinov2_model.py test/parity/fixtures/dinov2
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file
from transformers import Dinov2Config, Dinov2Model

DIMS = {"img": 56, "patch": 14, "dim": 24, "depth": 2, "heads": 3, "mlp_hidden": 96, "grid": 3}


def timm_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    named = {
        "cls_token": state["embeddings.cls_token"],
        "mask_token": state["embeddings.mask_token"],
        "pos_embed": state["embeddings.position_embeddings"],
        "patch_embed.proj.weight": state["embeddings.patch_embeddings.projection.weight"],
        "patch_embed.proj.bias": state["embeddings.patch_embeddings.projection.bias"],
        "norm.weight": state["layernorm.weight"],
        "norm.bias": state["layernorm.bias"],
    }
    for layer in range(DIMS["depth"]):
        source, target = f"encoder.layer.{layer}.", f"blocks.{layer}."
        for kind in ("weight", "bias"):
            parts = [state[f"{source}attention.{name}_proj.{kind}"] for name in "qkv"]
            named[f"{target}attn.qkv.{kind}"] = torch.cat(parts)
            named[f"{target}attn.proj.{kind}"] = state[f"{source}attention.o_proj.{kind}"]
            for part in ("norm1", "norm2", "mlp.fc1", "mlp.fc2"):
                named[f"{target}{part}.{kind}"] = state[f"{source}{part}.{kind}"]
        named[f"{target}ls1.gamma"] = state[f"{source}layer_scale1.lambda1"]
        named[f"{target}ls2.gamma"] = state[f"{source}layer_scale2.lambda1"]
    return {name: tensor.detach().clone().contiguous() for name, tensor in named.items()}


def main() -> None:
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(3)
    config = Dinov2Config(
        hidden_size=DIMS["dim"],
        num_hidden_layers=DIMS["depth"],
        num_attention_heads=DIMS["heads"],
        mlp_ratio=DIMS["mlp_hidden"] // DIMS["dim"],
        image_size=DIMS["grid"] * DIMS["patch"],
        patch_size=DIMS["patch"],
        attn_implementation="eager",
    )
    model = Dinov2Model(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                parameter.copy_(torch.randn_like(parameter) * 0.3 + (0.0 if name.endswith("bias") else 1.0))
            else:
                parameter.copy_(torch.randn_like(parameter) * (0.1 if "projection" in name else 0.25))
        image = torch.randn(2, 3, DIMS["img"], DIMS["img"])
        output = model(image, output_hidden_states=True)
    io = {"image": image, "features": output.last_hidden_state}
    for place, state in enumerate(output.hidden_states):
        io[f"hidden{place}"] = state
    save_file(timm_names(model.state_dict()), target / "weights.safetensors")
    save_file({name: tensor.contiguous() for name, tensor in io.items()}, target / "io.safetensors")
    facts = {
        "fixture": "dinov2",
        "source": "transformers Dinov2Model, float32 on the CPU, eager attention",
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "dims": DIMS,
        "eps": config.layer_norm_eps,
    }
    (target / "config.json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()

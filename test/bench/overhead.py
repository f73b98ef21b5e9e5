"""The other side of `tristage bench overhead`: PyTorch eager where there is nothing to compute.

Commands on stdin (see peer.py): {"do": "time", "call": "add", "count": n} answers the seconds of one addition of single numbers, with
"layer" those of a layer of LLaMA with adapters, forward and backward; anything else is an addition.
"""
import sys
import time

import torch

import peer
import step

LAYERS = 8
TOKENS = 16
CONFIG = {
    "llm": {"width": 64, "heads": 2, "kvHeads": 2, "mlpHidden": 128, "layers": LAYERS, "rmsEps": 1e-5, "ropeBase": 10000},
    "lora": {"rank": 4, "alpha": 4},
}


def seconds(count, call):
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


@torch.inference_mode()
def add(count):
    a, b = torch.ones(1), torch.ones(1)
    return seconds(count, lambda: torch.add(a, b))


def layer(count):
    width, hidden, rank = CONFIG["llm"]["width"], CONFIG["llm"]["mlpHidden"], CONFIG["lora"]["rank"]
    shapes = {f"self_attn.{n}_proj.weight": (width, width) for n in "qkvo"}
    shapes |= {f"self_attn.{n}_proj.lora_A.weight": (rank, width) for n in "qv"}
    shapes |= {f"self_attn.{n}_proj.lora_B.weight": (width, rank) for n in "qv"}
    shapes |= {"mlp.gate_proj.weight": (hidden, width), "mlp.up_proj.weight": (hidden, width)}
    shapes |= {"mlp.down_proj.weight": (width, hidden)}
    shapes |= {"input_layernorm.weight": (width,), "post_attention_layernorm.weight": (width,)}
    weights = {
        f"llama_model.model.layers.{i}.{name}": torch.rand(shape) for i in range(LAYERS) for name, shape in shapes.items()
    }
    model = step.Model(CONFIG, weights, TOKENS)
    model.dropout = 0.05
    x = torch.full((1, TOKENS, width), 0.5)

    def once():
        y = x
        for i in range(LAYERS):
            y = model.block(i, y)
        torch.autograd.grad(y.sum(), [weights[name] for name in model.trained])

    return seconds(count, once) / LAYERS


def timed(call, count):
    return {"seconds": layer(count) if call == "layer" else add(count)}


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    peer.serve({"time": timed, "describe": peer.describe})

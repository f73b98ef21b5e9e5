"""The other side of `tristage bench generate`: transformers' own `generate` on the same weights.

Usage: generate.py CASE.json, then commands on stdin (see peer.py). Greedy, with its key-value cache, in float32, with the fused
attention of its torch; no row ends early.
"""
import json
import sys
import time

import torch
import transformers

import peer


def padded(prompts):
    """Rows padded on the left, and their mask."""
    width = max(len(row) for row in prompts)
    ids = [[0] * (width - len(row)) + row for row in prompts]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in prompts]
    return torch.tensor(ids), torch.tensor(mask)


def main():
    with open(sys.argv[1]) as file:
        case = json.load(file)
    torch.set_num_threads(case["threads"])
    model = transformers.AutoModelForCausalLM.from_pretrained(
        case["weights"], dtype=torch.float32, attn_implementation="sdpa"
    ).eval()
    ids, mask = padded(case["prompts"])
    config = transformers.GenerationConfig(
        do_sample=False, max_new_tokens=case["newTokens"], eos_token_id=None, pad_token_id=0, use_cache=True
    )
    model.generation_config = config

    @torch.inference_mode()
    def go():
        start, before = time.perf_counter(), time.process_time()
        rows = model.generate(input_ids=ids, attention_mask=mask, generation_config=config)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "cpu": time.process_time() - before, "tokens": rows[:, ids.shape[1] :].tolist()}

    def describe():
        return {**peer.describe(), "transformers": transformers.__version__}

    peer.serve({"continue": go, "describe": describe, "peak": lambda: {"bytes": peer.peak_bytes()}})


if __name__ == "__main__":
    main()

"""Makes test/parity/fixtures/gguf: small LLaMA models as GGUF, and what other programs make of them.

The files are written and quantised by the package `gguf` (of llama.cpp); names come from its own table. Weights as Hugging
Face has them and the logits come from `transformers`, which reads the file itself and puts the rows of q and k back in order.

    python3 -m venv VENV && VENV/bin/pip install torch transformers gguf safetensors
    VENV/bin/python test/parity/make/gguf_models.py test/parity/fixtures/gguf
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

Q = gguf.GGMLQuantizationType
HIDDEN, FFN, LAYERS, HEADS, VOCABULARY = 32, 64, 2, 4, 48

# Every type that is read, spread over the maps of a block.
TYPES = {
    "tied": {"token_embd": Q.Q8_0, "attn_q": Q.Q8_0, "attn_k": Q.Q4_0, "attn_v": Q.Q4_1, "attn_output": Q.F16,
             "ffn_gate": Q.BF16, "ffn_up": Q.Q4_1, "ffn_down": Q.Q4_0},
    "untied": {"token_embd": Q.F16, "attn_q": Q.Q4_1, "attn_k": Q.F32, "attn_v": Q.BF16, "attn_output": Q.Q8_0,
               "ffn_gate": Q.Q4_0, "ffn_up": Q.F32, "ffn_down": Q.Q8_0, "output": Q.Q8_0},
}


def interleaved(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows in the order of llama.cpp: the two halves of each head alternate."""
    half = weight.shape[0] // heads // 2
    return weight.reshape(heads, 2, half, -1).swapaxes(1, 2).reshape(weight.shape)


def make(folder: Path, case: str, kv_heads: int, rope_base: float, alignment: int) -> dict:
    torch.manual_seed(len(case))
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=HIDDEN, intermediate_size=FFN, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        num_key_value_heads=kv_heads, rms_norm_eps=1e-5, tie_word_embeddings=case == "tied", max_position_embeddings=128,
        rope_parameters={"rope_type": "default", "rope_theta": rope_base})
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(1.0 if name.endswith("norm.weight") else 0.0, 0.15)
    path = folder / f"{case}.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    if alignment != 32:
        writer.add_custom_alignment(alignment)
    writer.add_name(f"small {case} model")
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FFN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(rope_base)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_vocab_size(VOCABULARY)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([f"piece{i}" for i in range(VOCABULARY)])
    writer.add_token_types([1] * VOCABULARY)
    # One entry of every type of the format.
    for add, value in [("uint8", 200), ("int8", -100), ("uint16", 60000), ("int16", -30000), ("uint32", 4_000_000_000),
                       ("int32", -2_000_000_000), ("uint64", 2**63), ("int64", -(2**62)), ("float32", 0.5), ("float64", 0.1),
                       ("bool", True), ("string", "Grüße"), ("array", [1.5, -2.5])]:
        getattr(writer, f"add_{add}")(f"sample.{add}", value)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, LAYERS)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and case == "tied":
            continue
        values = tensor.numpy().astype(np.float32)
        if name.endswith("q_proj.weight"):
            values = interleaved(values, HEADS)
        if name.endswith("k_proj.weight"):
            values = interleaved(values, kv_heads)
        target = names.get_name(name, try_suffixes=(".weight",))
        kind = TYPES[case].get(target.split(".")[-2], Q.F32) if values.ndim > 1 else Q.F32
        writer.add_tensor(target, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    loaded = AutoModelForCausalLM.from_pretrained(folder, gguf_file=path.name, dtype=torch.float32).eval()
    # The order of rows goes there and back: a map that is not quantised comes back as it was.
    for name, value in loaded.state_dict().items():
        if case == "tied" and name == "lm_head.weight":
            continue
        kind = TYPES[case].get(names.get_name(name, try_suffixes=(".weight",)).split(".")[-2], Q.F32)
        assert kind != Q.F32 or torch.equal(value, model.state_dict()[name]), name
    ids = torch.tensor([[(7 * i * i + 3 * i + 1) % VOCABULARY for i in range(24)]])
    with torch.no_grad():
        logits = loaded(ids).logits
        direct = model(ids).logits
    state = {k: v.contiguous() for k, v in loaded.state_dict().items() if not (case == "tied" and k == "lm_head.weight")}
    save_file(state, folder / f"{case}.hf.safetensors")
    save_file({"input_ids": ids.to(torch.int32), "logits": logits.contiguous()}, folder / f"{case}.io.safetensors")
    print(case, "quantisation moves the logits by", float((logits - direct).abs().max()), "of", float(direct.abs().max()))
    loaded_config = loaded.config
    return {"kv_heads": kv_heads, "rope_base": rope_base, "tied": bool(loaded_config.tie_word_embeddings),
            "rms_norm_eps": loaded_config.rms_norm_eps, "alignment": alignment}


folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
cases = {"tied": make(folder, "tied", 2, 10000.0, 32), "untied": make(folder, "untied", 4, 100000.0, 64)}
from importlib.metadata import version
(folder / "config.json").write_text(json.dumps({
    "fixture": "gguf",
    "source": "files by the package gguf, weights and logits by transformers reading them, float32 on CPU",
    "versions": {"gguf": version("gguf"), "transformers": transformers.__version__, "torch": torch.__version__},
    "cases": cases,
}, indent=1) + "\n")

"""Makes test/e2e/smol/expected.safetensors: what onnxruntime and transformers compute with the two pretrained models of the preset `smol`.

The models are the files that the wheels hold; the language model is read from its GGUF file by transformers itself. Of the outputs, which
are large, every 16th token of the image and every 64th logit are kept.

    python3 -m venv VENV && VENV/bin/pip install torch transformers gguf safetensors onnx onnxruntime
    VENV/bin/python test/parity/make/smol_outputs.py VIT.onnx SMOLLM2.gguf test/e2e/smol/expected.safetensors
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from safetensors.numpy import save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

TEXT = "[INST] [vqa] How many red apples lie on the table? [/INST] There are two apples, and a small green pear beside them."
NORM = "/backbone/layernorm/Add_1_output_0"


def image() -> np.ndarray:
    """[1, 3, 224, 224] of smooth waves, another one for each colour; the test makes the same."""
    row, column = np.meshgrid(np.arange(224.0), np.arange(224.0), indexing="ij")
    waves = [np.sin(row / (9 + 4 * c)) + np.cos(column / (13 - 2 * c)) * np.sin((row + column) / 31) for c in range(3)]
    return np.stack(waves)[None].astype(np.float32)


def features(path: str) -> np.ndarray:
    model = onnx.load(path)
    model.graph.output.append(onnx.ValueInfoProto(name=NORM))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run([NORM], {session.get_inputs()[0].name: image()})[0]


def logits(path: str) -> tuple[np.ndarray, np.ndarray]:
    file = Path(path)
    model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    ids = tokenizer(TEXT, add_special_tokens=False, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        found = model(ids).logits[0]
    return ids[0].numpy().astype(np.int32), found.numpy()


def main() -> None:
    vision, llm, target = sys.argv[1:]
    seen = features(vision)
    ids, found = logits(llm)
    kept = {"features": seen[0, ::16], "ids": ids, "logits": found[:, ::64], "best": found.argmax(1).astype(np.int32)}
    save_file({name: np.ascontiguousarray(values) for name, values in kept.items()}, target)


if __name__ == "__main__":
    main()

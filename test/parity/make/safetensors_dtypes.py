"""Makes test/parity/fixtures/safetensors_dtypes: every dtype that torch and safetensors share, and its values as torch widens them.

    python3 -m venv VENV && VENV/bin/pip install torch safetensors
    VENV/bin/python test/parity/make/safetensors_dtypes.py test/parity/fixtures/safetensors_dtypes
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
words = torch.arange(256, dtype=torch.uint8)
pairs = torch.arange(0, 65536, 257, dtype=torch.int32).to(torch.uint16)
edges = [0, 1, -1, 2**31 - 1, -(2**31), 2**53 + 1, -(2**62)]
tensors = {
    "F8_E4M3": words.view(torch.float8_e4m3fn), "F8_E5M2": words.view(torch.float8_e5m2),
    "F8_E8M0": words.view(torch.float8_e8m0fnu), "U8": words, "I8": words.view(torch.int8), "BOOL": words % 3 == 0,
    "U16": pairs, "I16": pairs.view(torch.int16), "F16": pairs.view(torch.float16), "BF16": pairs.view(torch.bfloat16),
    "I32": torch.tensor(edges[:5], dtype=torch.int32), "U32": torch.tensor([0, 1, 2**32 - 1], dtype=torch.uint32),
    "I64": torch.tensor(edges, dtype=torch.int64), "U64": torch.tensor([0, 1, 2**53 + 1, 2**64 - 1], dtype=torch.uint64),
    "F32": torch.tensor([0.1, -1e-45, 3e38]), "F64": torch.tensor([0.1, 1e300, -1e-300], dtype=torch.float64),
}
tensors = {name: tensor.clone() for name, tensor in tensors.items()}
save_file(tensors, folder / "stored.safetensors")
# numpy converts unsigned integers that torch does not; both round to nearest.
widened = {name: torch.from_numpy(t.numpy().astype("float32")) if name.startswith("U") else t.to(torch.float32)
           for name, t in tensors.items()}
save_file(widened, folder / "widened.safetensors")
from importlib.metadata import version
(folder / "config.json").write_text(json.dumps({
    "fixture": "safetensors_dtypes",
    "source": "written by safetensors, widened to float32 by torch (unsigned integers by numpy)",
    "versions": {"safetensors": version("safetensors"), "torch": torch.__version__},
}, indent=1) + "\n")

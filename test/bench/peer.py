"""Shared by the PyTorch counterparts of `tristage bench`: reading weights, and a line protocol on stdin and stdout.

The parent sends one JSON command per line and gets one JSON answer per line, so that both sides take turns (ABAB) on the
same machine. Only the standard library, numpy and torch are needed.
"""
import json
import resource
import sys
import time

import torch

DTYPES = {"F32": torch.float32, "I32": torch.int32, "I64": torch.int64, "U8": torch.uint8}


def read_safetensors(path):
    """name -> tensor, for the few dtypes the benchmark writes."""
    tensors = {}
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            begin, end = entry["data_offsets"]
            raw = bytearray(end - begin)
            file.seek(8 + length + begin)
            file.readinto(raw)
            tensors[name] = torch.frombuffer(raw, dtype=DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def matmul_speed(size=2048, repeats=4):
    """Float32 operations a second of the fastest of a few large products."""
    a = torch.randn(size, size)
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - start)
    return {"flops": 2 * size**3 / best}


def cpu_seconds():
    """User and system time of all threads so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_bytes():
    """Most resident memory this process ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def serve(handlers):
    """Answers commands until stdin ends. A command is {"do": name, ...}; its handler's result is sent back."""
    for line in sys.stdin:
        command = json.loads(line)
        result = handlers[command.pop("do")](**command)
        print(json.dumps(result), flush=True)


def describe():
    """What ran, for the benchmark's report."""
    return {"torch": torch.__version__, "threads": torch.get_num_threads(), "python": sys.version.split()[0]}

"""The other side of `tristage bench overhead`: the time of one addition of single numbers in PyTorch eager.

Commands on stdin (see peer.py): {"do": "time", "count": n} answers the seconds of one call.
"""
import sys
import time

import torch

import peer


@torch.inference_mode()
def timed(count):
    a, b = torch.ones(1), torch.ones(1)
    add = torch.add
    start = time.perf_counter()
    for _ in range(count):
        add(a, b)
    return {"seconds": (time.perf_counter() - start) / count}


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    peer.serve({"time": timed, "describe": peer.describe})

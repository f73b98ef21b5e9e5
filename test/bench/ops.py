"""The ops of `tristage bench ops` in PyTorch eager, forward and backward.

Commands on stdin (see peer.py): {"do": "time", "op": name, "shape": {...}, "count": n} answers the seconds of each run.
"""
import sys
import time

import torch
import torch.nn.functional as F

import peer
from step import attend, rms_norm, rotate


def leaf(*shape):
    return torch.randn(*shape).requires_grad_(True)


def build(op, s):
    """A function that runs the op once, and the tensors it is differentiated by."""
    n, d = s.get("rows"), s.get("width")
    if op == "matmul":
        a, b = torch.randn(n, d), torch.randn(s["out"], d)
        return (lambda: a @ b.t()), []
    if op == "linear":
        x, w, b = leaf(n, d), leaf(s["out"], d), leaf(s["out"])
        return (lambda: F.linear(x, w, b)), [x, w, b]
    if op == "lora-linear":
        x, w, a, b = leaf(n, d), torch.randn(s["out"], d), leaf(s["rank"], d), leaf(s["out"], s["rank"])
        return (lambda: F.linear(x, w) + F.linear(F.linear(x, a), b) * 0.5), [x, a, b]
    if op == "rms-norm":
        x, w = leaf(n, d), torch.randn(d)
        return (lambda: rms_norm(x, w, 1e-5)), [x]
    if op == "layer-norm":
        x, w, b = leaf(n, d), leaf(d), leaf(d)
        return (lambda: F.layer_norm(x, (d,), w, b)), [x, w, b]
    if op == "rope":
        x, angles = leaf(s["batch"], s["heads"], s["tokens"], d), torch.randn(s["tokens"], d)
        cos, sin = angles.cos(), angles.sin()
        return (lambda: rotate(x, cos, sin)), [x]
    if op == "attention":
        q, k, v = (leaf(s["batch"], s["heads"], s["tokens"], d) for _ in range(3))
        return (lambda: attend(q, k, v, True)), [q, k, v]
    if op == "swiglu":
        gate, up = leaf(n, d), leaf(n, d)
        return (lambda: F.silu(gate) * up), [gate, up]
    if op == "gelu":
        x = leaf(n, d)
        return (lambda: F.gelu(x)), [x]
    if op == "masked-cross-entropy":
        x, labels = leaf(n, d), torch.arange(n) % d
        return (lambda: F.cross_entropy(x, labels, reduction="none")), [x]
    if op == "patch-embed":
        x, w, b = torch.randn(s["batch"], 3, s["side"], s["side"]), leaf(d, 3, 14, 14), leaf(d)
        return (lambda: F.conv2d(x, w, b, stride=14).flatten(2).transpose(1, 2)), [w, b]
    raise ValueError(f"unknown op {op}")


def timed(op, shape, count):
    torch.manual_seed(0)
    run, leaves = build(op, shape)
    dy = torch.ones_like(run())
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        y = run()
        if leaves:
            torch.autograd.grad(y, leaves, dy)
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds}


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    peer.serve({"time": timed, "describe": peer.describe})

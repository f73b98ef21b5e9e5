"""The PyTorch side of the archive: the same model and the same ops, on the same device.

reference.py steps --plan FILE --device D --dtype T, or ops --plan FILE --device D. One JSON object a line on stdout, as record.ts has them.
Steps run without and then with checkpointed layers. Frozen weights have the dtype; what trains is float32 and cast for each step.
"""
import argparse
import json
import sys
import time

import torch
from torch.utils.checkpoint import checkpoint

import ops
import step

WEIGHT_STD = 0.02


def emit(**record):
    print(json.dumps(record), flush=True)


def settle(device):
    if device == "cuda":
        torch.cuda.synchronize()


class Model(step.Model):
    """The model of the benchmark, with checkpointed layers where that is asked for."""

    recompute = False

    def block(self, i, x):
        if self.recompute:
            return checkpoint(super().block, i, x, use_reentrant=False)
        return super().block(i, x)


def create(plan, dtype):
    weights = {}
    for name, shape in plan["shapes"]:
        if len(shape) > 1:
            weights[name] = torch.randn(shape, dtype=dtype) * WEIGHT_STD
        else:
            weights[name] = torch.full(shape, 1.0 if name.endswith("weight") else 0.0, dtype=dtype)
    masters = {name: weights[name].float().requires_grad_(True) for name in plan["trained"]}
    # The class marks what trains by itself; the masters take that place.
    model = Model(plan["model"], weights, plan["tokens"])
    model.dropout = plan["model"]["lora"]["dropout"]
    model.cos, model.sin = model.cos.to(dtype), model.sin.to(dtype)
    return model, masters


def batch_of(plan, rows, dtype):
    model, tokens = plan["model"], plan["tokens"]
    side, vocabulary = model["vision"]["imageSize"], model["llm"]["vocabulary"]
    image = (side // model["vision"]["patch"]) ** 2 // model["join"]
    i = torch.arange(rows * tokens)
    ids = (3 + (i * 7919) % (vocabulary - 3)).view(rows, tokens)
    ids[:, plan["imageStart"] : plan["imageStart"] + image] = -200
    labels = torch.full_like(ids, -1)
    labels[:, tokens - plan["answer"] :] = ids[:, tokens - plan["answer"] :]
    return torch.randn(rows, 3, side, side, dtype=dtype), ids, labels


def measure(plan, model, masters, optimizer, rows, device, dtype):
    batch = batch_of(plan, rows, dtype)

    def once():
        for name, master in masters.items():
            model.w[name] = master.to(dtype)
        loss = model.loss(*batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    for _ in range(plan["warmup"]):
        once()
    settle(device)
    start = time.perf_counter()
    for _ in range(plan["count"]):
        loss = once()
    settle(device)
    seconds = (time.perf_counter() - start) / plan["count"]
    peak = {}
    if device == "cuda":
        peak = {"peakBytes": torch.cuda.max_memory_allocated(), "reservedBytes": torch.cuda.max_memory_reserved()}
    return {"batch": rows, "seconds": seconds, "loss": loss, "flops": plan["flops"]["everywhere"] * rows, **peak}


def steps(plan, device, dtype):
    model, masters = create(plan, dtype)
    fused = {"fused": True} if hasattr(torch.nn.functional, "scaled_dot_product_attention") else {"foreach": True}
    optimizer = torch.optim.AdamW(masters.values(), lr=plan["lr"], betas=(0.9, 0.999), weight_decay=0.05, **fused)
    for model.recompute in (False, True):
        for rows in plan["batches"]:
            name = f"{plan['name']}-b{rows}" + ("-recompute" if model.recompute else "")
            try:
                emit(name=name, ok=True, **measure(plan, model, masters, optimizer, rows, device, dtype))
            except RuntimeError as error:
                full = "out of memory" in str(error)
                emit(name=name, ok=full, batch=rows, outOfMemory=full, detail=str(error)[:500])
                # What the step held is still on the traceback.
                error.__traceback__ = None
                if device == "cuda":
                    torch.cuda.empty_cache()
                break


def time_ops(plan, device):
    for case in plan["cases"]:
        try:
            torch.manual_seed(0)
            run, leaves = ops.build(case["op"], case["shape"])
            dy = torch.ones_like(run())

            def once():
                y = run()
                if leaves:
                    torch.autograd.grad(y, leaves, dy)

            for _ in range(plan["warmup"]):
                once()
            settle(device)
            start = time.perf_counter()
            for _ in range(plan["count"]):
                once()
            settle(device)
            emit(name=case["name"], ok=True, seconds=(time.perf_counter() - start) / plan["count"])
        except RuntimeError as error:
            emit(name=case["name"], ok=False, detail=str(error)[:500])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=["steps", "ops"])
    parser.add_argument("--plan", required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--dtype", default="float32")
    given = parser.parse_args()
    with open(given.plan) as file:
        plan = json.load(file)
    if given.device != "cpu":
        torch.set_default_device(given.device)
    emit(name="engine", ok=True, torch=torch.__version__, device=given.device, threads=torch.get_num_threads())
    if given.part == "ops":
        time_ops(plan, given.device)
        return
    dtype = getattr(torch, given.dtype)
    # Zeros and such that the model makes by itself.
    torch.set_default_dtype(dtype)
    steps(plan, given.device, dtype)


if __name__ == "__main__":
    sys.exit(main())

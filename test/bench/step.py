"""A MiniGPT-v2 training step in plain PyTorch: the yardstick of `tristage bench step`.

Usage: step.py CASE.json CASE.safetensors, then commands on stdin (see peer.py). The mathematics is that of the reference
recipe: one question a row, padded on the right, vision without gradient and computed for each row, four tokens joined, LoRA
on the attention projections, all logits, AdamW. Every operation is the best public one that this torch version has (fused
scaled_dot_product_attention and AdamW from 2.0 on). Labels are shifted rather than logits, which saves their copy.
"""
import json
import sys
import time

import torch
import torch.nn.functional as F

import peer

HAS_SDPA = hasattr(F, "scaled_dot_product_attention")


def attend(q, k, v, causal):
    """q, k, v [B, H, T, D] -> [B, H, T, D]"""
    if HAS_SDPA:
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    scores = (q * (q.shape[-1] ** -0.5)) @ k.transpose(-1, -2)
    if causal:
        hidden = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(hidden, float("-inf"))
    return scores.softmax(-1) @ v


def rms_norm(x, weight, eps):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight


def repeat_heads(x, times):
    """x [B, K, T, D] -> [B, K * times, T, D]: each head of keys or values serves so many heads of queries."""
    if times == 1:
        return x
    b, k, t, d = x.shape
    return x[:, :, None].expand(b, k, times, t, d).reshape(b, k * times, t, d)


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    turned = torch.cat((-x[..., half:], x[..., :half]), dim=-1)
    return x * cos + turned * sin


class Model:
    # Of the adapters' inputs. 0 where losses are compared, since masks come of other random numbers.
    dropout = 0.0

    def __init__(self, config, weights, tokens):
        self.c = config
        self.w = weights
        self.trained = [n for n in weights if ".lora_" in n or n.startswith("llama_proj.")]
        for name in self.trained:
            weights[name].requires_grad_(True)
        head = config["llm"]["width"] // config["llm"]["heads"]
        turns = config["llm"]["ropeBase"] ** (-torch.arange(0, head, 2, dtype=torch.float32) / head)
        angles = torch.arange(tokens, dtype=torch.float32)[:, None] * turns[None]
        angles = torch.cat((angles, angles), dim=-1)
        self.cos, self.sin = angles.cos(), angles.sin()

    @torch.no_grad()
    def vision(self, pixels):
        """pixels f32 [B, 3, S, S] -> [B, P, D]"""
        w, v = self.w, self.c["vision"]
        p = "visual_encoder."
        x = F.conv2d(pixels, w[p + "patch_embed.proj.weight"], w[p + "patch_embed.proj.bias"], stride=v["patch"])
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat((w[p + "cls_token"].expand(x.shape[0], -1, -1), x), dim=1) + w[p + "pos_embed"]
        size = (v["width"],)
        for i in range(v["depth"]):
            b = f"{p}blocks.{i}."
            h = F.layer_norm(x, size, w[b + "norm1.weight"], w[b + "norm1.bias"], v["eps"])
            if b + "attn.qkv.bias" in w:
                bias = w[b + "attn.qkv.bias"]
            else:
                bias = torch.cat((w[b + "attn.q_bias"], torch.zeros(size), w[b + "attn.v_bias"]))
            qkv = F.linear(h, w[b + "attn.qkv.weight"], bias)
            q, k, val = qkv.view(*x.shape[:2], 3, v["heads"], -1).permute(2, 0, 3, 1, 4)
            o = attend(q, k, val, False).transpose(1, 2).reshape(x.shape)
            x = x + self.scaled(F.linear(o, w[b + "attn.proj.weight"], w[b + "attn.proj.bias"]), b + "ls1.gamma")
            h = F.layer_norm(x, size, w[b + "norm2.weight"], w[b + "norm2.bias"], v["eps"])
            h = F.gelu(F.linear(h, w[b + "mlp.fc1.weight"], w[b + "mlp.fc1.bias"]))
            x = x + self.scaled(F.linear(h, w[b + "mlp.fc2.weight"], w[b + "mlp.fc2.bias"]), b + "ls2.gamma")
        x = F.layer_norm(x, size, w["ln_vision.weight"], w["ln_vision.bias"], v["lnEps"])
        return x[:, 1:]

    def scaled(self, x, name):
        return x * self.w[name] if name in self.w else x

    def project(self, x, name):
        base = F.linear(x, self.w[name + ".weight"])
        if name + ".lora_A.weight" not in self.w:
            return base
        kept = F.dropout(x, self.dropout) if self.dropout > 0 else x
        low = F.linear(F.linear(kept, self.w[name + ".lora_A.weight"]), self.w[name + ".lora_B.weight"])
        return base + low * (self.c["lora"]["alpha"] / self.c["lora"]["rank"])

    def block(self, i, x):
        """One layer of LLaMA: x [B, T, D] -> [B, T, D]"""
        w, c = self.w, self.c["llm"]
        shape = (*x.shape[:2], -1, x.shape[2] // c["heads"])
        times = c["heads"] // c["kvHeads"]
        b = f"llama_model.model.layers.{i}."
        h = rms_norm(x, w[b + "input_layernorm.weight"], c["rmsEps"])
        q, k, v = (self.project(h, f"{b}self_attn.{n}_proj").view(shape).transpose(1, 2) for n in "qkv")
        k = repeat_heads(rotate(k, self.cos, self.sin), times)
        o = attend(rotate(q, self.cos, self.sin), k, repeat_heads(v, times), True)
        x = x + self.project(o.transpose(1, 2).reshape(x.shape), b + "self_attn.o_proj")
        h = rms_norm(x, w[b + "post_attention_layernorm.weight"], c["rmsEps"])
        h = F.silu(self.project(h, b + "mlp.gate_proj")) * self.project(h, b + "mlp.up_proj")
        return x + self.project(h, b + "mlp.down_proj")

    def llama(self, x):
        w, c = self.w, self.c["llm"]
        for i in range(c["layers"]):
            x = self.block(i, x)
        head = "llama_model.model.embed_tokens.weight" if c["tieEmbeddings"] else "llama_model.lm_head.weight"
        return F.linear(rms_norm(x, w["llama_model.model.norm.weight"], c["rmsEps"]), w[head])

    def token_losses(self, pixels, tokens, labels, reduction):
        """tokens [B, T], the image slots being the run of negative ids; labels [B, T]; the loss of token t stands at t - 1."""
        w = self.w
        image = self.vision(pixels)
        image = image.reshape(image.shape[0], -1, image.shape[-1] * self.c["join"])
        image = F.linear(image, w["llama_proj.weight"], w["llama_proj.bias"])
        x = F.embedding(tokens.clamp(min=0), w["llama_model.model.embed_tokens.weight"])
        start = int((tokens[0] < 0).nonzero()[0])
        x = torch.cat((x[:, :start], image, x[:, start + image.shape[1] :]), dim=1)
        logits = self.llama(x)
        shifted = F.pad(labels[:, 1:], (0, 1), value=-1).reshape(-1).long()
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), shifted, ignore_index=-1, reduction=reduction)

    def loss(self, *batch):
        """Mean over the supervised tokens of the batch."""
        return self.token_losses(*batch, "mean")

    @torch.no_grad()
    def rows(self, *batch):
        """Mean loss of each row."""
        labels = batch[2]
        sums = self.token_losses(*batch, "none").view(labels.shape).sum(1)
        return (sums / (labels[:, 1:] >= 0).sum(1)).tolist()


def main():
    with open(sys.argv[1]) as file:
        config = json.load(file)
    torch.set_num_threads(config["threads"])
    tensors = peer.read_safetensors(sys.argv[2])
    tensors.pop("batch.bytes")
    pixels, tokens, labels = (tensors.pop(n) for n in ("batch.pixels", "batch.tokens", "batch.labels"))
    batch = [pixels[[row["image"] for row in config["rows"]]].contiguous(), tokens, labels]
    model = Model(config["model"], tensors, batch[1].shape[1])
    trained = [tensors[n] for n in model.trained]
    options = {"fused": True} if int(torch.__version__.split(".")[0]) >= 2 else {"foreach": True}
    optimizer = torch.optim.AdamW(trained, lr=config["lr"], betas=(0.9, 0.999), weight_decay=0.05, **options)

    def steps(count):
        seconds, losses = [], []
        before = peer.cpu_seconds()
        for _ in range(count):
            start = time.perf_counter()
            loss = model.loss(*batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            seconds.append(time.perf_counter() - start)
        return {"seconds": seconds, "cpu": (peer.cpu_seconds() - before) / count, "losses": losses}

    peer.serve(
        {
            "steps": steps,
            "rows": lambda: {"rows": model.rows(*batch)},
            "describe": peer.describe,
            "matmul": peer.matmul_speed,
            "peak": lambda: {"bytes": peer.peak_bytes()},
        }
    )


if __name__ == "__main__":
    main()

"""Writes test/fixtures/shapes-unet-gradients.safetensors: the policy's loss and LoRA gradients, computed by PyTorch.

The UNet is written out here a second time, on its own, in double precision; weights are read from unet/model.onnx by
name, and autograd gives the gradients. A test holds the training graph of this project against the file.

    python tools/reference/shapes_unet_gradients.py [pipeline folder] [output file]
"""

import hashlib
import json
import math
import pathlib
import sys

import numpy as np
import onnx
import onnx.numpy_helper
import torch
import torch.nn.functional as F

HEAD_SIZE = 16
NORM_GROUPS = 8
NORM_EPSILON = 1e-5
BLOCK_CHANNELS = [32, 80]
ATTENTION_BLOCKS = [False, True]

PAIRS = 4
RANK = 4
ALPHA = 8.0
GUIDANCE_SCALE = 3.0
CLIP_RANGE = 0.1
ADV_CLIP_MAX = 2.0
# Ratio and advantage of every pair: inside the range; above it with nothing left to gain; above it with all to lose;
# below it, with an advantage that is clipped too.
RATIOS = [1.05, 1.3, 1.3, 0.8]
ADVANTAGES = [0.7, 1.1, -0.6, 3.5]
WEIGHTS = [0.25, 0.25, 0.5, 0.125]
TIMESTEPS = [901, 501, 301, 1]


class Network:
    """The UNet with LoRA on the projections of its attention; scopes are those of the weights' names."""

    def __init__(self, weights, adapters):
        self.weights = weights
        self.adapters = adapters

    def weight(self, name):
        return self.weights[name]

    def linear(self, scope, x, bias=True):
        y = x @ self.weight(f"{scope}.weight")
        if scope in self.adapters:
            a, b = self.adapters[scope]
            y = y + (ALPHA / RANK) * (x @ a @ b)
        return y + self.weight(f"{scope}.bias") if bias else y

    def conv(self, scope, x, stride=1):
        weight = self.weight(f"{scope}.weight")
        return F.conv2d(x, weight, self.weight(f"{scope}.bias"), stride=stride, padding=weight.shape[-1] // 2)

    def group_norm(self, scope, x):
        weight, bias = self.weight(f"{scope}.weight").flatten(), self.weight(f"{scope}.bias").flatten()
        return F.group_norm(x, NORM_GROUPS, weight, bias, NORM_EPSILON)

    def layer_norm(self, scope, x):
        weight, bias = self.weight(f"{scope}.weight"), self.weight(f"{scope}.bias")
        return F.layer_norm(x, x.shape[-1:], weight, bias, NORM_EPSILON)

    def attention(self, scope, x, context):
        def heads(name, source):
            y = self.linear(f"{scope}.{name}", source, bias=False)
            return y.reshape(y.shape[0], y.shape[1], -1, HEAD_SIZE).transpose(1, 2)

        query, key, value = heads("to_q", x), heads("to_k", context), heads("to_v", context)
        scores = torch.softmax(query @ key.transpose(2, 3) / math.sqrt(HEAD_SIZE), dim=-1)
        mixed = (scores @ value).transpose(1, 2).reshape(x.shape)
        return self.linear(f"{scope}.to_out.0", mixed)

    def transformer(self, scope, x, context):
        batch, channels, height, width = x.shape
        tokens = self.group_norm(f"{scope}.norm", x).reshape(batch, channels, -1).transpose(1, 2)
        h = self.linear(f"{scope}.proj_in", tokens)
        block = f"{scope}.transformer_blocks.0"
        normed = self.layer_norm(f"{block}.norm1", h)
        h = h + self.attention(f"{block}.attn1", normed, normed)
        h = h + self.attention(f"{block}.attn2", self.layer_norm(f"{block}.norm2", h), context)
        inner = F.gelu(self.linear(f"{block}.ff.net.0", self.layer_norm(f"{block}.norm3", h)))
        h = h + self.linear(f"{block}.ff.net.2", inner)
        h = self.linear(f"{scope}.proj_out", h)
        return x + h.transpose(1, 2).reshape(batch, channels, height, width)

    def resnet(self, scope, x, time):
        h = self.conv(f"{scope}.conv1", F.silu(self.group_norm(f"{scope}.norm1", x)))
        h = h + self.linear(f"{scope}.time_emb_proj", time)[:, :, None, None]
        h = self.conv(f"{scope}.conv2", F.silu(self.group_norm(f"{scope}.norm2", h)))
        around = self.conv(f"{scope}.conv_shortcut", x) if f"{scope}.conv_shortcut.weight" in self.weights else x
        return around + h

    def time_embedding(self, timestep):
        half = self.weight("time_embedding.linear_1.weight").shape[0] // 2
        # The model file holds the frequencies in single precision.
        powers = 10_000 ** (-np.arange(half) / half)
        phases = timestep[:, None] * torch.from_numpy(powers.astype(np.float32).astype(np.float64))[None]
        waves = torch.cat([torch.sin(phases), torch.cos(phases)], dim=1).to(self.weight("conv_in.weight").dtype)
        return self.linear("time_embedding.linear_2", F.silu(self.linear("time_embedding.linear_1", waves)))

    def __call__(self, sample, timestep, context):
        time = F.silu(self.time_embedding(timestep))

        def block(scope, x, attends):
            x = self.resnet(f"{scope}.resnets.0", x, time)
            return self.transformer(f"{scope}.attentions.0", x, context) if attends else x

        last = len(BLOCK_CHANNELS) - 1
        x = self.conv("conv_in", sample)
        skips = []
        for level in range(last + 1):
            x = block(f"down_blocks.{level}", x, ATTENTION_BLOCKS[level])
            skips.append(x)
            if level < last:
                x = self.conv(f"down_blocks.{level}.downsamplers.0.conv", x, stride=2)
        x = block("mid_block", x, True)
        x = self.resnet("mid_block.resnets.1", x, time)
        for index in range(last + 1):
            level = last - index
            x = block(f"up_blocks.{index}", torch.cat([x, skips[level]], dim=1), ATTENTION_BLOCKS[level])
            if level > 0:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
                x = self.conv(f"up_blocks.{index}.upsamplers.0.conv", x)
        return self.conv("conv_out", F.silu(self.group_norm("conv_norm_out", x)))


def log_prob(guided, step):
    """Mean over dimensions of the log-density of the next latents (algorithm: DDPO's DDIM step with log-prob)."""
    per_pair = lambda values: values[:, None, None, None]
    mean = per_pair(step["sampleCoefficient"]) * step["latents"] + per_pair(step["outputCoefficient"]) * guided
    std_dev = per_pair(step["stdDevT"])
    density = torch.distributions.Normal(mean, std_dev).log_prob(step["nextLatents"])
    return density.mean(dim=(1, 2, 3))


def ddpo_is_loss(ratio, advantage, weight):
    advantage = advantage.clamp(-ADV_CLIP_MAX, ADV_CLIP_MAX)
    unclipped, clipped = -advantage * ratio, -advantage * ratio.clamp(1 - CLIP_RANGE, 1 + CLIP_RANGE)
    return (weight * torch.maximum(unclipped, clipped)).sum()


def write_safetensors(path, tensors, metadata):
    header, body = {"__metadata__": metadata}, b""
    for name, array in sorted(tensors.items()):
        data = np.ascontiguousarray(array, dtype="<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


def read_model(path, dtype):
    """Weights by name, and the shapes of the inputs."""
    graph = onnx.load(path).graph
    weights = {
        tensor.name: torch.from_numpy(onnx.numpy_helper.to_array(tensor).astype(dtype))
        for tensor in graph.initializer
        if tensor.name.endswith((".weight", ".bias"))
    }
    return weights, {value.name: [axis.dim_value for axis in value.type.tensor_type.shape.dim] for value in graph.input}


def adapted_layers(weights):
    """All attention projections."""
    projections = [f"{attn}.{to}.weight" for attn in ("attn1", "attn2") for to in ("to_q", "to_k", "to_v", "to_out.0")]
    return sorted(name[: -len(".weight")] for name in weights if any(part in name for part in projections))


def main(folder="test/fixtures/first-shapes", output="test/fixtures/shapes-unet-gradients.safetensors"):
    model_path = pathlib.Path(folder) / "unet" / "model.onnx"
    weights, shapes = read_model(model_path, np.float64)
    layers = adapted_layers(weights)

    rng = np.random.default_rng(20_261_121)
    # Everything that the test reads is rounded to single precision first, so that both sides start from the same numbers.
    single = lambda array: torch.from_numpy(np.asarray(array, dtype=np.float32).astype(np.float64))
    normal = lambda *shape, scale=1.0: single(scale * rng.standard_normal(shape))

    adapters = {
        layer: (
            normal(weights[f"{layer}.weight"].shape[0], RANK, scale=0.1).requires_grad_(),
            normal(RANK, weights[f"{layer}.weight"].shape[1], scale=0.1).requires_grad_(),
        )
        for layer in layers
    }
    latents = normal(PAIRS, *shapes["sample"][1:])
    context = normal(2 * PAIRS, *shapes["encoder_hidden_states"][1:])
    step = {
        "latents": latents,
        "sampleCoefficient": single([1.02, 1.05, 1.1, 1.2]),
        "outputCoefficient": single([-0.1, -0.2, -0.3, -0.5]),
        "stdDevT": single([0.4, 0.3, 0.2, 0.1]),
    }
    network = Network(weights, adapters)
    timestep = single(TIMESTEPS + TIMESTEPS)
    output_rows = network(torch.cat([latents, latents]), timestep, context)
    unconditional, conditional = output_rows.chunk(2)
    guided = unconditional + GUIDANCE_SCALE * (conditional - unconditional)

    per_pair = lambda values: values[:, None, None, None]
    with torch.no_grad():
        mean = per_pair(step["sampleCoefficient"]) * latents + per_pair(step["outputCoefficient"]) * guided
        step["nextLatents"] = single((mean + per_pair(step["stdDevT"]) * torch.from_numpy(
            rng.standard_normal(latents.shape))).numpy())
        old_log_prob = single((log_prob(guided, step) - torch.log(torch.tensor(RATIOS, dtype=torch.float64))).numpy())

    ratio = torch.exp(log_prob(guided, step) - old_log_prob)
    loss = ddpo_is_loss(ratio, single(ADVANTAGES), single(WEIGHTS))
    loss.backward()

    tensors = {
        "input:sample": torch.cat([latents, latents]),
        "input:encoder_hidden_states": context,
        "input:timestep": timestep,
        "input:nextLatents": step["nextLatents"],
        "input:sampleCoefficient": step["sampleCoefficient"],
        "input:outputCoefficient": step["outputCoefficient"],
        "input:stdDevT": step["stdDevT"],
        "input:oldLogProb": old_log_prob,
        "input:advantage": single(ADVANTAGES),
        "input:weight": single(WEIGHTS),
        "loss": loss,
        "ratio": ratio,
    }
    for layer, (a, b) in adapters.items():
        for name, parameter in ((f"{layer}.lora_A", a), (f"{layer}.lora_B", b)):
            tensors[f"input:{name}"] = parameter
            tensors[f"gradient:{name}"] = parameter.grad
    metadata = {
        "modelSha256": hashlib.sha256(model_path.read_bytes()).hexdigest(),
        "torch": torch.__version__,
        "rank": str(RANK),
        "alpha": str(ALPHA),
        "guidanceScale": str(GUIDANCE_SCALE),
        "clipRange": str(CLIP_RANGE),
        "advClipMax": str(ADV_CLIP_MAX),
        "pairs": str(PAIRS),
    }
    write_safetensors(pathlib.Path(output), {name: t.detach().numpy() for name, t in tensors.items()}, metadata)
    print(f"loss {loss.item():.9g}, ratios {ratio.tolist()}, {len(adapters)} adapted layers -> {output}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Times the shapes UNet in PyTorch: a prediction of 64 rows, and their loss with the gradients of the LoRA adapter.

`npm run bench -- --python <python>` calls it in turn with Tributary's own graphs; by itself:

    python tools/reference/shapes_unet_speed.py [pipeline folder] [--rows 64] [--threads 2] [--runs 15] [--compile]

As PyTorch is used at its best: eager, float32, in both memory layouts, with its own attention and linear layers, the
adapter added to the weights before sampling. --compile times torch.compile as well. Prints one line of JSON: seconds of
every run but the first, by the clock and of all cores together.
"""

import argparse
import json
import pathlib
import time

import numpy as np
import torch
import torch.nn.functional as F
from shapes_unet_gradients import ALPHA, HEAD_SIZE, RANK, Network, adapted_layers, read_model


class FastNetwork(Network):
    """The same network by PyTorch's fused functions."""

    def linear(self, scope, x, bias=True):
        y = F.linear(x, self.weight(f"{scope}.weight").t(), self.weight(f"{scope}.bias") if bias else None)
        if scope in self.adapters:
            a, b = self.adapters[scope]
            y = y + (ALPHA / RANK) * (x @ a @ b)
        return y

    def attention(self, scope, x, context):
        def heads(name, source):
            y = self.linear(f"{scope}.{name}", source, bias=False)
            return y.reshape(y.shape[0], y.shape[1], -1, HEAD_SIZE).transpose(1, 2)

        mixed = F.scaled_dot_product_attention(heads("to_q", x), heads("to_k", context), heads("to_v", context))
        return self.linear(f"{scope}.to_out.0", mixed.transpose(1, 2).reshape(x.shape))


def stored(weights, layout):
    """Kernels in a memory layout; matrices in that of nn.Linear, [out, in]."""
    return {
        name: weight.contiguous(memory_format=layout) if weight.dim() == 4
        else weight.t().contiguous().t() if weight.dim() == 2
        else weight
        for name, weight in weights.items()
    }


def merged(weights, adapters):
    """Weights with the adapter in them."""
    deltas = {f"{layer}.weight": (ALPHA / RANK) * (a @ b).detach() for layer, (a, b) in adapters.items()}
    return {name: weight + deltas[name] if name in deltas else weight for name, weight in weights.items()}


def times_of(works, runs):
    """All works in turn, so that a slow moment of the machine meets them all."""
    times = {name: {"seconds": [], "cpuSeconds": []} for name in works}
    for run in range(runs + 1):
        for name, work in works.items():
            started, cpu_started = time.perf_counter(), time.process_time()
            work()
            if run > 0:
                times[name]["seconds"].append(time.perf_counter() - started)
                times[name]["cpuSeconds"].append(time.process_time() - cpu_started)
    return times


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", default="test/fixtures/first-shapes")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    weights, shapes = read_model(pathlib.Path(options.folder) / "unet" / "model.onnx", np.float32)
    adapters = {
        layer: tuple(
            (0.1 * torch.randn(shape)).requires_grad_()
            for shape in ((weights[f"{layer}.weight"].shape[0], RANK), (RANK, weights[f"{layer}.weight"].shape[1]))
        )
        for layer in adapted_layers(weights)
    }
    sample = torch.randn(options.rows, *shapes["sample"][1:])
    context = torch.randn(options.rows, *shapes["encoder_hidden_states"][1:])
    timestep = torch.full((options.rows,), 500.0)

    def predict(network, rows):
        with torch.no_grad():
            network(rows, timestep, context)

    def train(network, rows):
        for parameter in [parameter for pair in adapters.values() for parameter in pair]:
            parameter.grad = None
        network(rows, timestep, context).square().mean().backward()

    forms = {"": lambda network: network}
    if options.compile:
        forms["compiled "] = torch.compile
    works = {}
    for layout in (torch.contiguous_format, torch.channels_last):
        rows = sample.contiguous(memory_format=layout)
        for form, transform in forms.items():
            sampling = transform(FastNetwork(stored(merged(weights, adapters), layout), {}))
            training = transform(FastNetwork(stored(weights, layout), adapters))
            name = str(layout).removeprefix("torch.")
            works[f"{form}sampling, {name}"] = lambda network=sampling, rows=rows: predict(network, rows)
            works[f"{form}training, {name}"] = lambda network=training, rows=rows: train(network, rows)
    print(json.dumps({"torch": torch.__version__, "times": times_of(works, options.runs)}))


if __name__ == "__main__":
    main()

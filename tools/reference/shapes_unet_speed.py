"""Times the shapes UNet in PyTorch, for comparison with `npm run bench`: the same rows, threads and adapters.

Run it right before or after `npm run bench`: milliseconds of two programs compare only on a machine that is as busy for
both. The product of two 2048 x 2048 matrices is timed too; where it is far from the one that `npm run bench` prints,
the two libraries use the processor differently (PyTorch's MKL is slow on processors that are not Intel's).

    python tools/reference/shapes_unet_speed.py [pipeline folder]
"""

import pathlib
import statistics
import sys
import time

import numpy as np
import torch
from shapes_unet_gradients import RANK, Network, adapted_layers, read_model

ROWS = 64
THREADS = 2
REPETITIONS = 15


def milliseconds(works):
    """Median time of every work, taken in turn so that a slow moment of the machine meets them all."""
    times = {name: [] for name in works}
    for repetition in range(REPETITIONS + 2):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if repetition >= 2:
                times[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def main(folder="models/shapes"):
    torch.set_num_threads(THREADS)
    torch.manual_seed(1)
    weights, shapes = read_model(pathlib.Path(folder) / "unet" / "model.onnx", np.float32)
    adapters = {
        layer: tuple(
            (0.1 * torch.randn(shape)).requires_grad_()
            for shape in ((weights[f"{layer}.weight"].shape[0], RANK), (RANK, weights[f"{layer}.weight"].shape[1]))
        )
        for layer in adapted_layers(weights)
    }
    sample = torch.randn(ROWS, *shapes["sample"][1:])
    context = torch.randn(ROWS, *shapes["encoder_hidden_states"][1:])
    timestep = torch.full((ROWS,), 500.0)
    left, right = torch.randn(2048, 2048), torch.randn(2048, 2048)

    def forward(network, rows):
        with torch.no_grad():
            network(rows, timestep, context)

    def train(network, rows):
        for parameters in adapters.values():
            for parameter in parameters:
                parameter.grad = None
        network(rows, timestep, context).square().mean().backward()

    works = {"matrix product 2048": lambda: left @ right}
    for layout in (torch.contiguous_format, torch.channels_last):
        stored = {
            name: weight.contiguous(memory_format=layout) if weight.dim() == 4 else weight
            for name, weight in weights.items()
        }
        network, rows = Network(stored, adapters), sample.contiguous(memory_format=layout)
        name = str(layout).removeprefix("torch.")
        works[f"forward, {name}"] = lambda network=network, rows=rows: forward(network, rows)
        works[f"forward and LoRA gradients, {name}"] = lambda network=network, rows=rows: train(network, rows)

    measured = milliseconds(works)
    print(f"PyTorch {torch.__version__}, {THREADS} threads, {ROWS} rows")
    for name, value in measured.items():
        print(f"{name:<48}{value:8.1f} ms")


if __name__ == "__main__":
    main(*sys.argv[1:])

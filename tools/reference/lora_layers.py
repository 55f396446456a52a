"""Writes test/fixtures/lora-layers.safetensors: adapted layers and their gradients, computed by PyTorch.

PEFT's LoRA of a linear layer and of a convolution is written out here once more, in double precision: a convolution gets
one of its own window with `rank` outputs, and a 1 x 1 convolution behind it. Autograd gives the gradients. Where PEFT is
installed, its own layers are compared with the formula first.

    python tools/reference/lora_layers.py [output file]
"""

import json
import pathlib
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

CASES = [
    dict(name="linear", rank=3, alpha=6.0, linear=True, size=(4, 5), inputs=(7, 5)),
    dict(name="conv", rank=2, alpha=1.0, size=(4, 3, 3, 3), inputs=(2, 3, 6, 5), padding=1),
    dict(name="down", rank=3, alpha=2.0, size=(5, 3, 3, 3), inputs=(2, 3, 7, 6), padding=1, stride=2),
    dict(name="pointwise", rank=2, alpha=4.0, size=(5, 3, 1, 1), inputs=(2, 3, 4, 4)),
    dict(name="wide", rank=1, alpha=3.0, size=(2, 3, 5, 5), inputs=(1, 3, 7, 7), padding=2),
]
DEFAULTS = dict(linear=False, stride=1, padding=0)


def adapted(case, x, weight, bias, a, b):
    scale = case["alpha"] / case["rank"]
    if case["linear"]:
        return F.linear(x, weight, bias) + scale * F.linear(F.linear(x, a), b)
    window = {name: case[name] for name in ("stride", "padding")}
    return F.conv2d(x, weight, bias, **window) + scale * F.conv2d(F.conv2d(x, a, **window), b)


def check_against_peft(case, x, weight, bias, a, b, y):
    """The formula is that of PEFT's own layers."""
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        print("PEFT is not installed: its layers were not compared", file=sys.stderr)
        return
    outputs, inputs = weight.shape[:2]
    if case["linear"]:
        layer = torch.nn.Linear(inputs, outputs)
    else:
        window = {name: case[name] for name in ("stride", "padding")}
        layer = torch.nn.Conv2d(inputs, outputs, weight.shape[2], **window)
    model = torch.nn.ModuleDict({"layer": layer}).double()
    config = LoraConfig(r=case["rank"], lora_alpha=case["alpha"], target_modules=["layer"])
    inject_adapter_in_model(config, model)
    with torch.no_grad():
        own = model["layer"]
        own.base_layer.weight.copy_(weight)
        own.base_layer.bias.copy_(bias)
        own.lora_A["default"].weight.copy_(a)
        own.lora_B["default"].weight.copy_(b)
        assert torch.allclose(own.double()(x), y, rtol=1e-12, atol=1e-12), case["name"]


def main():
    folder = pathlib.Path(__file__).resolve().parents[2]
    out = sys.argv[1] if len(sys.argv) > 1 else folder / "test/fixtures/lora-layers.safetensors"
    generator = torch.Generator().manual_seed(7)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float32).double()
    tensors, cases = {}, []
    for case in CASES:
        case = {**DEFAULTS, **case}
        size, inputs = case.pop("size"), case.pop("inputs")
        rank = case["rank"]
        up = (1, 1) if len(size) == 4 else ()
        values = dict(x=draw(*inputs), weight=draw(*size), bias=draw(size[0]), a=draw(rank, *size[1:]), b=draw(size[0], rank, *up))
        leaves = {name: value.clone().requires_grad_() for name, value in values.items()}
        y = adapted(case, **leaves)
        dy = draw(*y.shape)
        (y * dy).sum().backward()
        check_against_peft(case, y=y.detach(), **values)
        plain = adapted(case, **{**values, "b": torch.zeros_like(values["b"])})
        values.update(y=y.detach(), dy=dy, plain=plain, dA=leaves["a"].grad, dB=leaves["b"].grad, dx=leaves["x"].grad)
        for name, value in values.items():
            tensors[f"{case['name']}.{name}"] = value.float().contiguous()
        cases.append(case)
    save_file(tensors, out, {"cases": json.dumps(cases), "torch": torch.__version__})
    print(out)


if __name__ == "__main__":
    main()

"""Writes test/fixtures/other-adapters.safetensors: adapters that are not LoRA, and the weights that their own programs make of them.

Each case is one layer: `<case>/weight` (and `/bias`) of the base, `<case>/merged...` as LyCORIS or PEFT has it, and the rest as in a
file of adapters. LyCORIS' merged weight is what its layer adds to the output in training, for an input of all unit vectors: its
get_diff_weight of LoHa and LoKr applies the scale twice.

    pip install lycoris-lora==4.1.3 && python tools/reference/other_adapters.py [output file]
"""

import pathlib
import sys

import torch
from lycoris.modules.full import FullModule
from lycoris.modules.ia3 import IA3Module
from lycoris.modules.locon import LoConModule
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule
from lycoris.modules.norms import NormModule
from peft import LoHaConfig, LoKrConfig, LoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

RANK, ALPHA = 2, 3.0
linear, conv = lambda: torch.nn.Linear(6, 4), lambda: torch.nn.Conv2d(6, 4, 3, padding=1)
LYCORIS = {
    "locon": (LoConModule, conv, dict(use_tucker=True)),
    "locon-dora-out": (LoConModule, conv, dict(weight_decompose=True, wd_on_out=True)),
    "locon-dora-in": (LoConModule, conv, dict(weight_decompose=True, wd_on_out=False)),
    "lora-dora-in": (LoConModule, linear, dict(weight_decompose=True, wd_on_out=False)),
    "loha": (LohaModule, linear, {}),
    "loha-conv": (LohaModule, conv, {}),
    "loha-tucker": (LohaModule, conv, dict(use_tucker=True)),
    "loha-dora": (LohaModule, linear, dict(weight_decompose=True)),
    "lokr": (LokrModule, lambda: torch.nn.Linear(24, 16), dict(factor=2)),
    "lokr-both": (LokrModule, lambda: torch.nn.Linear(64, 36), dict(factor=4, lora_dim=1, decompose_both=True)),
    "lokr-whole": (LokrModule, linear, dict(factor=2, full_matrix=True)),
    "lokr-conv": (LokrModule, lambda: torch.nn.Conv2d(12, 16, 3, padding=1), dict(factor=2)),
    "lokr-tucker": (LokrModule, lambda: torch.nn.Conv2d(12, 16, 3, padding=1), dict(factor=2, use_tucker=True)),
    "full": (FullModule, conv, {}),
    "norm": (NormModule, lambda: torch.nn.GroupNorm(2, 4), {}),
    "ia3-out": (IA3Module, linear, {}),
    "ia3-in": (IA3Module, conv, dict(train_on_input=True)),
}
PEFT = {
    "peft-dora": LoraConfig(r=RANK, lora_alpha=ALPHA, use_dora=True, target_modules=["0"]),
    "peft-loha": LoHaConfig(r=RANK, alpha=ALPHA, target_modules=["0"]),
    "peft-lokr": LoKrConfig(r=RANK, alpha=ALPHA, target_modules=["0"]),
    "peft-bias": LoraConfig(r=RANK, lora_alpha=ALPHA, lora_bias=True, target_modules=["0"]),
}


def effective(layer, kind):
    """Weight and bias of a layer that is linear in its input, from outputs for unit vectors."""
    with torch.no_grad():
        if isinstance(kind, torch.nn.Linear):
            zero = layer(torch.zeros(1, kind.in_features))
            return (layer(torch.eye(kind.in_features)) - zero).T.contiguous(), zero[0]
        size = kind.in_channels
        zero = layer(torch.zeros(1, size, 3, 3))[0, :, 1, 1]
        impulses = torch.eye(size * 9).reshape(size * 9, size, 3, 3)
        columns = layer(impulses)[:, :, 1, 1] - zero
        return columns.T.reshape(-1, size, 3, 3).contiguous(), zero


def randomize(module, generator):
    with torch.no_grad():
        for name, value in module.named_parameters():
            if "dora_scale" in name or "magnitude" in name:
                value.mul_(1 + 0.3 * torch.rand(value.shape, generator=generator))
            elif "lora" in name or "hada" in name or "lokr" in name or not name.endswith("base_layer.weight"):
                value.copy_(torch.randn(value.shape, generator=generator) * 0.4)


def of_lycoris(kind, make, options, generator):
    base = make()
    weight, bias = base.weight.detach().clone(), base.bias.detach().clone()
    settings = dict(lora_dim=RANK, alpha=ALPHA) | options
    module = kind("layer", base, 1.0, **settings)
    randomize(module, generator)
    state = module.custom_state_dict() or module.state_dict()
    tensors = {name: value.detach().float() for name, value in state.items()}
    if isinstance(base, torch.nn.GroupNorm):
        merged, merged_bias = module.make_weight()
    elif kind is FullModule:
        tensors = {"diff": module.weight.detach(), "diff_b": module.bias.detach()}
        merged, merged_bias = weight + module.weight, bias + module.bias
    else:
        module.apply_to()
        merged, merged_bias = effective(base, make())
    return tensors, weight, bias, merged.detach(), merged_bias.detach()


def of_peft(config, generator):
    base = torch.nn.Linear(24, 16)
    weight, bias = base.weight.detach().clone(), base.bias.detach().clone()
    model = get_peft_model(torch.nn.Sequential(base), config)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.requires_grad:
                drawn = torch.randn(value.shape, generator=generator) * 0.4
                value.copy_(value * (1 + 0.3 * drawn.abs()) if "magnitude" in name else drawn)
    tensors = {
        name.removeprefix("base_model.model.0."): value.detach().clone()
        for name, value in get_peft_model_state_dict(model).items()
    }
    tensors["alpha"] = torch.tensor(ALPHA)
    merged = model.merge_and_unload()[0]
    return tensors, weight, bias, merged.weight.detach(), merged.bias.detach()


if __name__ == "__main__":
    torch.manual_seed(0)
    stored = {}
    for seed, (name, case) in enumerate((LYCORIS | PEFT).items()):
        generator = torch.Generator().manual_seed(seed)
        found = of_peft(case, generator) if name in PEFT else of_lycoris(*case, generator)
        tensors, weight, bias, merged, merged_bias = found
        print(name, {key: list(value.shape) for key, value in tensors.items()})
        assert (merged - weight).abs().max() > 0.01 or (merged_bias - bias).abs().max() > 0.01, name
        parts = {f"layer.{key}": value for key, value in tensors.items()}
        parts |= dict(weight=weight, bias=bias, merged=merged, merged_bias=merged_bias)
        stored |= {f"{name}/{key}": value.float().contiguous().clone() for key, value in parts.items()}
    default = pathlib.Path(__file__).parents[2] / "test/fixtures/other-adapters.safetensors"
    save_file(stored, sys.argv[1] if len(sys.argv) > 1 else default)

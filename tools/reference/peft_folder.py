"""Writes test/fixtures/peft/<case>: folders of PEFT's save_pretrained, and beside them the differences of weights as PEFT has them.

Every case is a tiny model of linear layers and convolutions. `deltas.safetensors` holds what PEFT's own layers add to their
weights (get_delta_weight), by module. Those of DoRA depend on the weights, which are there too (`base.<module>`): the
difference is what merge_and_unload makes of them.

    python tools/reference/peft_folder.py [output folder]
"""

import pathlib
import sys

import torch
from peft import LoHaConfig, LoKrConfig, LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file

# Patterns overlap: the first one that fits counts, as a regular expression for the end of a path.
PATTERNS = dict(
    rank_pattern={"blocks.1.to_k": 3, "to_k|proj": 1},
    alpha_pattern={"to_q": 2, "blocks.1.to_q": 9, r"blocks\.\d\.proj": 5, "o_k": 99, "1.to_k": 0.5},
)
TARGETS = ["to_q", "to_k", "proj", "conv"]
CASES = {
    "scaled": dict(r=2, lora_alpha=8),
    "root-scaled": dict(r=2, lora_alpha=8, use_rslora=True),
    "patterns": dict(r=2, lora_alpha=8, **PATTERNS),
    "root-scaled-patterns": dict(r=2, lora_alpha=8, use_rslora=True, **PATTERNS),
}
# With LoKr of rank 1 a factor is a product or whole, as the sizes of the layer say; of rank 2 all are whole.
ALPHAS = dict(alpha_pattern={"blocks.1.to_q": 9, "conv": 0.5})
OTHERS = {
    "loha": LoHaConfig(r=2, alpha=8, target_modules=TARGETS, rank_pattern={"to_k": 3}, **ALPHAS),
    "loha-kernels": LoHaConfig(r=2, alpha=8, target_modules=TARGETS, use_effective_conv2d=True),
    "lokr": LoKrConfig(r=1, alpha=8, target_modules=TARGETS, decompose_both=True, **ALPHAS),
    "lokr-whole": LoKrConfig(r=2, alpha=8, target_modules=TARGETS, rank_pattern={"to_k": 3}, **ALPHAS),
    "dora": LoraConfig(r=2, lora_alpha=8, target_modules=TARGETS, use_dora=True, use_rslora=True),
}


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.to_q, self.to_k = torch.nn.Linear(3, 4), torch.nn.Linear(3, 2)
        self.proj, self.conv = torch.nn.Conv2d(2, 3, 1), torch.nn.Conv2d(2, 2, 3)


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = torch.nn.ModuleList([Block(), Block()])


class WideBlock(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.to_q, self.to_k = torch.nn.Linear(12, 16), torch.nn.Linear(4, 4)
        self.proj, self.conv = torch.nn.Conv2d(4, 6, 1), torch.nn.Conv2d(8, 8, 3)


class WideModel(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = torch.nn.ModuleList([WideBlock(), WideBlock()])


def write_other(folder, config, noise):
    base = WideModel()
    with torch.no_grad():
        for parameter in base.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=noise))
    weights = {name.removesuffix(".weight"): value.clone() for name, value in base.named_parameters() if "weight" in name}
    model = get_peft_model(base, config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "magnitude" in name:
                parameter.mul_(1 + torch.rand(parameter.shape, generator=noise))
            elif parameter.requires_grad:
                parameter.copy_(torch.randn(parameter.shape, generator=noise))
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    fresh = WideModel()
    fresh.load_state_dict({f"{name}.weight": value for name, value in weights.items()}, strict=False)
    loaded = PeftModel.from_pretrained(fresh, folder)
    if config.peft_type == "LORA":
        merged = dict(loaded.merge_and_unload().named_parameters())
        tensors = {name: (merged[f"{name}.weight"].detach() - value).contiguous() for name, value in weights.items()}
        tensors |= {f"base.{name}": value for name, value in weights.items()}
    else:
        tensors = {
            name.removeprefix("base_model.model."): module.get_delta_weight("default").detach().contiguous()
            for name, module in loaded.named_modules()
            if hasattr(module, "get_delta_weight")
        }
    save_file(tensors, folder / "deltas.safetensors")


def write(folder, settings, noise):
    config = LoraConfig(target_modules=TARGETS, **settings)
    model = get_peft_model(Model(), config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=noise))
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    loaded = PeftModel.from_pretrained(Model(), folder)
    deltas = {
        name.removeprefix("base_model.model."): module.get_delta_weight("default").detach().contiguous()
        for name, module in loaded.named_modules()
        if hasattr(module, "get_delta_weight")
    }
    save_file(deltas, folder / "deltas.safetensors")


if __name__ == "__main__":
    default = pathlib.Path(__file__).parents[2] / "test/fixtures/peft"
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else default)
    for seed, (name, settings) in enumerate(CASES.items()):
        write(root / name, settings, torch.Generator().manual_seed(seed))
    for seed, (name, config) in enumerate(OTHERS.items()):
        write_other(root / name, config, torch.Generator().manual_seed(seed))

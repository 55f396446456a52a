"""Writes test/fixtures/peft/<case>: folders of PEFT's save_pretrained, and beside them the differences of weights as PEFT has them.

Every case is a tiny model of linear layers and convolutions. `deltas.safetensors` holds what PEFT's own layers add to their
weights (get_delta_weight), by module.

    python tools/reference/peft_folder.py [output folder]
"""

import pathlib
import sys

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file

# Patterns overlap: the first one that fits counts, as a regular expression for the end of a path.
PATTERNS = dict(
    rank_pattern={"blocks.1.to_k": 3, "to_k|proj": 1},
    alpha_pattern={"to_q": 2, "blocks.1.to_q": 9, r"blocks\.\d\.proj": 5, "o_k": 99, "1.to_k": 0.5},
)
CASES = {
    "scaled": dict(r=2, lora_alpha=8),
    "root-scaled": dict(r=2, lora_alpha=8, use_rslora=True),
    "patterns": dict(r=2, lora_alpha=8, **PATTERNS),
    "root-scaled-patterns": dict(r=2, lora_alpha=8, use_rslora=True, **PATTERNS),
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


def write(folder, settings, noise):
    config = LoraConfig(target_modules=["to_q", "to_k", "proj", "conv"], **settings)
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

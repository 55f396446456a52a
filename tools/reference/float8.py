"""Writes test/fixtures/float8.safetensors: every bit pattern of the floats of eight bits, and their values in PyTorch.

    python tools/reference/float8.py [output file]
"""

import pathlib
import sys

import torch
from safetensors.torch import save_file

TYPES = {"F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2}

if __name__ == "__main__":
    patterns = torch.arange(256, dtype=torch.uint8)
    tensors = {name: patterns.clone().view(dtype) for name, dtype in TYPES.items()}
    tensors |= {f"{name} as F32": tensors[name].to(torch.float32) for name in TYPES}
    default = pathlib.Path(__file__).parents[2] / "test/fixtures/float8.safetensors"
    save_file(tensors, sys.argv[1] if len(sys.argv) > 1 else default)

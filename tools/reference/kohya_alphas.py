"""Writes test/fixtures/kohya-alphas.json: alphas of layers in files of kohya's style, and what diffusers makes of them.

    python tools/reference/kohya_alphas.py [output file]
"""

import json
import pathlib
import sys
import tempfile

import diffusers
import torch
from adapter_loads import tiny_unet
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file

BLOCK = "mid_block.attentions.0.transformer_blocks.0"
ATTENTION = [f"{BLOCK}.{attention}.{to}" for attention in ("attn1", "attn2") for to in ("to_q", "to_k", "to_v", "to_out.0")]
OTHERS = [f"{BLOCK}.ff.net.0.proj", f"{BLOCK}.ff.net.2", "mid_block.attentions.0.proj_in", "mid_block.attentions.0.proj_out"]
OTHERS += [f"mid_block.resnets.{i}.conv{j}" for i in (0, 1) for j in (1, 2)]
RANK = 2
# Alpha of every module by what its name contains; the first that fits counts.
CASES = {
    "one alpha": {"": 3},
    "another for one projection": {"to_q": 1, "": 3},
    "another for a second attention": {"attn2": 1, "": 3},
    "another for feed-forward layers": {"ff.": 1, "": 3},
    "another for convolutions": {"conv": 1, "": 3},
    "another for all beside attention": {"attn1": 3, "attn2": 3, "": 1},
    "another for all beside half of the attention": {"attn1": 3, "": 1},
}


def loaded_alphas(alphas):
    unet = tiny_unet()
    tensors = {}
    for module, alpha in alphas.items():
        weight = unet.get_submodule(module).weight
        name = "lora_unet_" + module.replace(".", "_")
        tensors[f"{name}.lora_down.weight"] = torch.ones(RANK, *weight.shape[1:])
        tensors[f"{name}.lora_up.weight"] = torch.ones(weight.shape[0], RANK, *(1,) * (weight.dim() - 2))
        tensors[f"{name}.alpha"] = torch.tensor(float(alpha))
    with tempfile.TemporaryDirectory() as folder:
        save_file(tensors, f"{folder}/adapter.safetensors")
        state, network_alphas = StableDiffusionPipeline.lora_state_dict(f"{folder}/adapter.safetensors", unet_config=unet.config)
        StableDiffusionPipeline.load_lora_into_unet(state, network_alphas, unet, adapter_name="default")
    return {module: unet.get_submodule(module).scaling["default"] * RANK for module in alphas}


if __name__ == "__main__":
    default = pathlib.Path(__file__).parents[2] / "test/fixtures/kohya-alphas.json"
    cases = []
    for name, rules in CASES.items():
        alphas = {module: next(alpha for part, alpha in rules.items() if part in module) for module in ATTENTION + OTHERS}
        cases.append({"name": name, "alphas": alphas, "loaded": loaded_alphas(alphas)})
    content = {"diffusers": diffusers.__version__, "cases": cases}
    pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else default).write_text(json.dumps(content, indent=1) + "\n")

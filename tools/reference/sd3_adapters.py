"""Writes test/fixtures/sd3-adapters/: an adapter of SD 3.5 as diffusers and as PEFT save it, and pictures drawn with it.

The pipeline is the tiny one of stable_diffusion_3.py, the adapter on the layers of flow_grpo and of diffusers'
train_dreambooth_lora_sd3.py. The pictures are those that diffusers draws with the file that `tributary export` makes of
its own, so that they show that an adapter written here loads there; the hash of that file is recorded. Needs a build.

    python tools/reference/sd3_adapters.py [program ...]
"""

import copy
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

import diffusers
import peft
import stable_diffusion_3 as tiny
import torch
from diffusers import StableDiffusion3Pipeline
from diffusers.training_utils import _collate_lora_metadata
from peft import LoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

FOLDER = tiny.FIXTURES / "sd3-adapters"
LAYERS = ["to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out"]
RANK, ALPHA = 2, 3


def in_single():
    pipe, _ = tiny.tiny_pipeline()
    for part in (pipe.transformer, pipe.vae, pipe.text_encoder, pipe.text_encoder_2):
        part.float()
    return pipe


def config():
    return LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=[f"attn.{layer}" for layer in LAYERS])


def at_work(model):
    """B is no longer zero."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, value in sorted(model.named_parameters()):
            if ".lora_" in name:
                value.copy_(0.5 * torch.randn(value.shape, generator=generator))
    return model


def pictures(pipe, noise):
    latents = noise["initial"].reshape(len(tiny.PROMPTS), 16, 4, 4)
    images = pipe(
        tiny.PROMPTS, num_inference_steps=tiny.NUM_STEPS, guidance_scale=tiny.GUIDANCE_SCALE, latents=latents, height=16,
        width=16, output_type="np",
    ).images  # fmt: skip
    return torch.from_numpy(images)


@torch.no_grad()
def main(program):
    FOLDER.mkdir(exist_ok=True)
    noise = load_file(tiny.FIXTURES / "stable-diffusion/noise.safetensors")
    pipe = in_single()
    at_work(get_peft_model(copy.deepcopy(pipe.transformer), config())).save_pretrained(FOLDER / "peft")
    (FOLDER / "peft/README.md").unlink(missing_ok=True)
    drawn = {"plain": pictures(pipe, noise)}
    pipe.transformer.add_adapter(config())
    at_work(pipe.transformer)
    layers = get_peft_model_state_dict(pipe.transformer)
    metadata = _collate_lora_metadata({"transformer": pipe.transformer})
    with tempfile.TemporaryDirectory() as name:
        StableDiffusion3Pipeline.save_lora_weights(name, transformer_lora_layers=layers, **metadata)
        source = FOLDER / "diffusers.safetensors"
        source.write_bytes((pathlib.Path(name) / "pytorch_lora_weights.safetensors").read_bytes())
        written = pathlib.Path(name) / "written.safetensors"
        arguments = ["export", str(source), "--format", "peft", "--dtype", "fp32", "--out", str(written)]
        subprocess.run([*program, *arguments], check=True, cwd=tiny.FIXTURES.parents[1], stdout=subprocess.DEVNULL)
        pipe = in_single()
        pipe.load_lora_weights(name, weight_name=written.name)
        sha256 = hashlib.sha256(written.read_bytes()).hexdigest()
    modules = [module for module in pipe.transformer.modules() if hasattr(module, "lora_A")]
    assert len(modules) == len(layers) // 2 and {module.scaling["default_0"] for module in modules} == {ALPHA / RANK}
    drawn["adapted"] = pictures(pipe, noise)
    about = {
        "versions": {module.__name__: module.__version__ for module in (torch, diffusers, peft)},
        "sha256": sha256,
        "layers": len(modules),
    }
    save_file({name: image.float().contiguous() for name, image in drawn.items()}, FOLDER / "pictures.safetensors",
              {"about": json.dumps(about)})  # fmt: skip
    moved = (drawn["adapted"] - drawn["plain"]).abs().max().item()
    print(f"{len(modules)} layers in diffusers, pictures moved by up to {255 * moved:.0f} gray levels")


if __name__ == "__main__":
    main(sys.argv[1:] or ["node", "dist/cli/main.js"])

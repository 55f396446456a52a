"""Holds pictures that Tributary draws with an adapter that it exported against those of diffusers with the same file.

For tiny Stable Diffusion 1.x and SDXL pipelines (test/fixtures/stable-diffusion) an adapter on layers of every kind is made
with PEFT and saved with diffusers. `tributary export` writes it in both styles and precisions. Of each file `tributary
sample` draws two pictures, and so does diffusers, which loads it with `load_lora_weights` and samples with its own pipeline
and DDIM scheduler from the same noise: 20 steps at eta 1 with guidance. A pixel that is more than 2 gray levels off ends the
script with status 1; so does an adapter that changes nothing.

What was loaded (as SHA-256) and drawn by diffusers goes to test/fixtures/adapter-pictures/, where the ordinary tests compare
with it without Python.

    npm run build && python tools/reference/adapter_pictures.py
"""

import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

import diffusers
import numpy as np
import peft
import torch
import transformers
from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from PIL import Image
from safetensors.torch import load_file, save_file

FOLDER = pathlib.Path(__file__).resolve().parents[2]
PIPELINES = {"sd1": StableDiffusionPipeline, "sdxl": StableDiffusionXLPipeline}
OUTPUT = FOLDER / "test/fixtures/adapter-pictures"
PROGRAM = ("node", "dist/cli/main.js")
EVERY_KIND = ["to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out", "conv1", "conv2",
              "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv", "time_emb_proj"]  # fmt: skip
RANK, ALPHA = 2, 3.0
PROMPTS = ["a photo of an astronaut riding a horse on mars", "two cats, oil on canvas!"]
GUIDANCE_SCALE, NUM_STEPS, SEED = 3.0, 20, 7
SIZE, GAP = 16, 2
MOST_GREY_LEVELS, LEAST_CHANGE = 2, 20


class RecordedNoise(DDIMScheduler):
    """DDIM whose steps at eta 1 take noise that was drawn before."""

    def take(self, steps):
        self.noise = iter(steps)

    def step(self, output, timestep, sample, eta=0.0, generator=None, **others):
        return super().step(output, timestep, sample, eta=eta, variance_noise=next(self.noise), **others)


def open_pipeline(name):
    variant = "fp16" if name == "sdxl" else None
    folder = FOLDER / "test/fixtures/stable-diffusion" / name
    # expected.safetensors is no component, but lies in the folder.
    pipeline = PIPELINES[name].from_pretrained(folder, variant=variant, torch_dtype=torch.float32)
    pipeline.scheduler = RecordedNoise.from_config(pipeline.scheduler.config, clip_sample=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def save_adapter(pipeline, path):
    """As diffusers' own training scripts save an adapter; B is not zero."""
    from diffusers.training_utils import _collate_lora_metadata

    pipeline.unet.add_adapter(LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=EVERY_KIND))
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter_name, value in pipeline.unet.named_parameters():
            if ".lora_" in parameter_name:
                value.copy_(torch.randn(value.shape, generator=generator) * 0.15)
    layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(pipeline.unet))
    metadata = _collate_lora_metadata({"unet": pipeline.unet})
    type(pipeline).save_lora_weights(
        path.parent, unet_lora_layers=layers, weight_name=path.name, **metadata
    )


def draw_with_diffusers(pipeline, noise):
    pipeline.scheduler.take(noise["steps"])
    images = pipeline(
        PROMPTS,
        num_inference_steps=NUM_STEPS,
        guidance_scale=GUIDANCE_SCALE,
        eta=1.0,
        latents=noise["initial"].clone(),
        output_type="np",
    ).images
    return np.ascontiguousarray(np.round(images * 255).astype(np.uint8))


def tributary(*arguments):
    subprocess.run([*PROGRAM, *map(str, arguments)], check=True, cwd=FOLDER, stdout=subprocess.DEVNULL)


def draw_with_tributary(name, folder, *adapter):
    png = folder / "grid.png"
    prompts = [part for prompt in PROMPTS for part in ("--prompt", prompt)]
    tributary("sample", "--pipeline", FOLDER / "test/fixtures/stable-diffusion" / name, *adapter, *prompts,
              "--out", png, "--seed", SEED, "--steps", NUM_STEPS, "--guidance", GUIDANCE_SCALE, "--images", 1,
              "--scale", 1)  # fmt: skip
    grid = np.asarray(Image.open(png).convert("RGB"))
    rows = [GAP + row * (SIZE + GAP) for row in range(len(PROMPTS))]
    return np.stack([grid[top : top + SIZE, GAP : GAP + SIZE] for top in rows])


def levels(one, other):
    return int(np.abs(one.astype(int) - other.astype(int)).max())


def compare(name, noise, folder):
    pipeline = open_pipeline(name)
    plain = draw_with_diffusers(pipeline, noise)
    result = {"without adapter": levels(plain, draw_with_tributary(name, folder))}
    passed = result["without adapter"] <= MOST_GREY_LEVELS
    source = OUTPUT / f"{name}.safetensors"
    save_adapter(open_pipeline(name), source)
    pictures, hashes = {"plain": torch.from_numpy(plain)}, {}
    for style in ("peft", "kohya"):
        for dtype in ("fp32", "fp16"):
            file = folder / f"{name}-{style}-{dtype}.safetensors"
            tributary("export", source, "--format", style, "--dtype", dtype, "--out", file)
            pipeline.load_lora_weights(str(folder), weight_name=file.name)
            wanted = draw_with_diffusers(pipeline, noise)
            pipeline.unload_lora_weights()
            found = draw_with_tributary(name, folder, "--lora", file)
            key = f"{style}-{dtype}"
            pictures[key], hashes[key] = torch.from_numpy(wanted), hashlib.sha256(file.read_bytes()).hexdigest()
            result[key] = levels(found, wanted)
            passed &= result[key] <= MOST_GREY_LEVELS and levels(wanted, plain) >= LEAST_CHANGE
            result[f"{key} against none"] = levels(wanted, plain)
    about = dict(prompts=PROMPTS, guidanceScale=GUIDANCE_SCALE, numSteps=NUM_STEPS, seed=SEED, sha256=hashes,
                 versions={module.__name__: module.__version__ for module in (torch, diffusers, peft, transformers)})  # fmt: skip
    save_file(pictures, OUTPUT / f"{name}-pictures.safetensors", {"about": json.dumps(about)})
    print(json.dumps({"pipeline": name, "gray levels": result}))
    return passed


def main():
    torch.use_deterministic_algorithms(True)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        noise_file = folder / "noise.safetensors"
        arguments = ["node", "tools/reference/sampler-noise.mjs", str(noise_file), "evaluation"]
        subprocess.run(arguments, check=True, cwd=FOLDER)
        noise = load_file(noise_file)
        if not all([compare(pipeline, noise, folder) for pipeline in PIPELINES]):
            sys.exit("Tributary and diffusers draw other pictures with the same adapter")


if __name__ == "__main__":
    main()

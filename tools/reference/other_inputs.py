"""Writes test/fixtures/other-inputs.safetensors: pictures of pipelines of diffusers whose UNets take more than latents.

The tiny SD 1.x and SDXL of test/fixtures/stable-diffusion get the weight that such a UNet has beside, by the formula of
network_variants.py: `time_embedding.cond_proj` of a network that is distilled to a scale of guidance (LCM), or a `conv_in` for
more channels. Inpainting and instruct-pix2pix are drawn by their own pipelines, with one number for each of the further
channels; instruct-pix2pix with an image_guidance_scale of 1, where its guidance is that of other models.

    pip install -r tools/reference/requirements.txt
    python tools/reference/other_inputs.py [output file]
"""

import json
import pathlib
import shutil
import sys
import tempfile

import diffusers
import numpy as np
import torch
import transformers
from diffusers import (
    StableDiffusionInpaintPipeline,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
)
from safetensors.torch import load_file, save_file

from network_variants import made
from pipeline_pictures import FIXTURES, NUM_STEPS, PROMPTS, SEED, RecordedNoise

WEIGHTS = {"sd1": "diffusion_pytorch_model.safetensors", "sdxl": "diffusion_pytorch_model.fp16.safetensors"}
GUIDED = {"name": "time_embedding.cond_proj.weight", "shape": [16, 9], "seed": 1, "scale": 3.0}
CASES = {
    "guidance scale": {"pipeline": "sd1", "config": {"time_cond_proj_dim": 9}, "weight": GUIDED, "guidanceScale": 7.5},
    "guidance scale of 1": {"pipeline": "sd1", "config": {"time_cond_proj_dim": 9}, "weight": GUIDED, "guidanceScale": 1.0},
    "guidance scale of SDXL": {
        "pipeline": "sdxl", "config": {"time_cond_proj_dim": 9}, "weight": GUIDED, "guidanceScale": 4.0,
    },
    "inpainting": {
        "pipeline": "sd1", "config": {"in_channels": 9}, "guidanceScale": 3.0, "extraChannels": [1.0, 0.5, -0.75, 1.25, -2.0],
        "weight": {"name": "conv_in.weight", "shape": [16, 9, 3, 3], "seed": 2, "scale": 0.6},
    },
    "instruct-pix2pix": {
        "pipeline": "sd1", "config": {"in_channels": 8}, "guidanceScale": 3.0, "extraChannels": [0.5, -3.0, 6.0, 1.0],
        "weight": {"name": "conv_in.weight", "shape": [16, 8, 3, 3], "seed": 3, "scale": 0.6},
    },
}


def open_folder(folder, case):
    name = case["pipeline"]
    shutil.copytree(FIXTURES / "stable-diffusion" / name, folder)
    config = folder / "unet" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **case["config"]}))
    path = folder / "unet" / WEIGHTS[name]
    weight = case["weight"]
    value = made(weight["shape"], weight["seed"], weight["scale"]).to(torch.float32)
    save_file({**load_file(path), weight["name"]: value}, path, {"format": "pt"})
    kind = {"sd1": StableDiffusionPipeline, "sdxl": StableDiffusionXLPipeline}[name]
    if "extraChannels" in case:
        kind = StableDiffusionInpaintPipeline if "mask" in case else StableDiffusionInstructPix2PixPipeline
    variant = "fp16" if name == "sdxl" else None
    pipeline = kind.from_pretrained(folder, variant=variant, torch_dtype=torch.float32)
    pipeline.scheduler = RecordedNoise.from_config(pipeline.scheduler.config, clip_sample=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def further(case, latents):
    """What the pipelines of UNets with further channels are called with: tensors whose channels are constant."""
    if "extraChannels" not in case:
        return {}
    batch, _, height, width = latents.shape
    channels = torch.tensor(case["extraChannels"])[-4:].view(1, 4, 1, 1)
    picture = channels.expand(batch, 4, height, width).clone()
    if "mask" not in case:
        return {"image": picture, "image_guidance_scale": 1.0}
    size = {"height": 2 * height, "width": 2 * width}
    mask = torch.full((batch, 1, *size.values()), case["extraChannels"][0])
    # The picture is encoded only where the UNet takes latents alone.
    gray = torch.zeros(batch, 3, *size.values())
    return {"image": gray, "mask_image": mask, "masked_image_latents": picture, "strength": 1.0, **size}


def main(output=FIXTURES / "other-inputs.safetensors"):
    torch.use_deterministic_algorithms(True)
    noise = load_file(FIXTURES / "stable-diffusion" / "noise.safetensors")
    pictures = {}
    CASES["inpainting"]["mask"] = True
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            pipeline = open_folder(pathlib.Path(folder) / "model", case)
            pipeline.scheduler.take(noise["steps"])
            images = pipeline(
                PROMPTS,
                num_inference_steps=NUM_STEPS,
                guidance_scale=case["guidanceScale"],
                eta=1.0,
                latents=noise["initial"].clone(),
                **further(case, noise["initial"]),
                output_type="np",
            ).images
            # [B, H, W, 3] in [0, 1].
            pictures[name] = torch.from_numpy(np.ascontiguousarray(images))
    versions = {module.__name__: module.__version__ for module in (torch, diffusers, transformers)}
    about = dict(prompts=PROMPTS, numSteps=NUM_STEPS, seed=SEED, cases=CASES, versions=versions)
    save_file(pictures, output, {"about": json.dumps(about)})
    print(f"{len(pictures)} cases -> {output}")


if __name__ == "__main__":
    main(*sys.argv[1:])

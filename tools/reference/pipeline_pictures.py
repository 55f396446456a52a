"""Writes test/fixtures/pipeline-pictures.safetensors: pictures of whole pipelines of diffusers, as their users call them.

The tiny pipelines of test/fixtures/stable-diffusion are loaded with other keys in scheduler_config.json, get DDIM by
`DDIMScheduler.from_config(pipe.scheduler.config)`, and draw two prompts from the noise of that folder: guidance of 0 and
0.5, a `steps_offset` and a `clip_sample` that the pipeline corrects or not, `set_alpha_to_one` at eta 0 and 1, a negative
prompt, and another size.

    pip install -r tools/reference/requirements.txt
    python tools/reference/pipeline_pictures.py [output file]
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
from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors.torch import load_file, save_file

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "test/fixtures"
PIPELINES = {"sd1": StableDiffusionPipeline, "sdxl": StableDiffusionXLPipeline}
PROMPTS = ["a photo of an astronaut riding a horse on mars", "two cats, oil on canvas!"]
NUM_STEPS, SEED = 6, 7
# Null takes a key out of the file.
CASES = {
    "guidance 0": {"pipeline": "sd1", "guidanceScale": 0.0},
    "guidance 0.5": {"pipeline": "sd1", "guidanceScale": 0.5},
    "guidance 0 of SDXL": {"pipeline": "sdxl", "guidanceScale": 0.0},
    "steps_offset 0": {"pipeline": "sd1", "scheduler": {"steps_offset": 0}},
    "steps_offset 0 of SDXL": {"pipeline": "sdxl", "scheduler": {"steps_offset": 0}},
    "clip_sample": {"pipeline": "sd1", "scheduler": {"clip_sample": True}},
    "set_alpha_to_one": {"pipeline": "sd1", "scheduler": {"set_alpha_to_one": True}},
    "set_alpha_to_one at eta 0": {"pipeline": "sd1", "scheduler": {"set_alpha_to_one": True}, "eta": 0.0},
    "no set_alpha_to_one of SDXL": {"pipeline": "sdxl", "scheduler": {"set_alpha_to_one": None}},
    "negative prompt": {"pipeline": "sd1", "negativePrompt": "blurry, low quality"},
    "negative prompt of SDXL": {"pipeline": "sdxl", "negativePrompt": "blurry, low quality"},
    # As many numbers as the noise has.
    "32 x 8": {"pipeline": "sd1", "size": {"width": 32, "height": 8}},
    "32 x 8 of SDXL": {"pipeline": "sdxl", "size": {"width": 32, "height": 8}},
}


class RecordedNoise(DDIMScheduler):
    """DDIM whose steps take noise that was drawn before."""

    def take(self, steps):
        self.noise = iter(steps)

    def step(self, output, timestep, sample, eta=0.0, generator=None, **others):
        return super().step(output, timestep, sample, eta=eta, variance_noise=next(self.noise), **others)


def open_pipeline(folder, name, changes):
    shutil.copytree(FIXTURES / "stable-diffusion" / name, folder)
    path = folder / "scheduler" / "scheduler_config.json"
    config = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    variant = "fp16" if name == "sdxl" else None
    # expected.safetensors is no component, but lies in the folder.
    pipeline = PIPELINES[name].from_pretrained(folder, variant=variant, torch_dtype=torch.float32)
    # A missing clip_sample means true in diffusers. This project departs from it: latents have no bound.
    unclipped = {} if "clip_sample" in changes else {"clip_sample": False}
    pipeline.scheduler = RecordedNoise.from_config(pipeline.scheduler.config, **unclipped)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def draw(pipeline, noise, guidance_scale, eta, negative_prompt, size):
    scale = pipeline.vae_scale_factor
    shape = [-1, 4, size["height"] // scale, size["width"] // scale] if size else noise["initial"].shape
    pipeline.scheduler.take([step.reshape(shape) for step in noise["steps"]])
    images = pipeline(
        PROMPTS,
        negative_prompt=None if negative_prompt is None else [negative_prompt] * len(PROMPTS),
        num_inference_steps=NUM_STEPS,
        guidance_scale=guidance_scale,
        eta=eta,
        latents=noise["initial"].reshape(shape).clone(),
        **(size or {}),
        output_type="np",
    ).images
    # [B, H, W, 3] in [0, 1].
    return torch.from_numpy(np.ascontiguousarray(images))


def main(output=FIXTURES / "pipeline-pictures.safetensors"):
    torch.use_deterministic_algorithms(True)
    noise = load_file(FIXTURES / "stable-diffusion" / "noise.safetensors")
    pictures, cases = {}, {}
    for name, case in CASES.items():
        case = {"scheduler": {}, "guidanceScale": 3.0, "eta": 1.0, **case}
        with tempfile.TemporaryDirectory() as folder:
            pipeline = open_pipeline(pathlib.Path(folder) / "model", case["pipeline"], case["scheduler"])
            pictures[name] = draw(
                *(pipeline, noise, case["guidanceScale"], case["eta"]), case.get("negativePrompt"), case.get("size")
            )
        cases[name] = case
    versions = {module.__name__: module.__version__ for module in (torch, diffusers, transformers)}
    about = dict(prompts=PROMPTS, numSteps=NUM_STEPS, seed=SEED, cases=cases, versions=versions)
    save_file(pictures, output, {"about": json.dumps(about)})
    print(f"{len(cases)} cases -> {output}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Proves that diffusers draws with a folder that `tributary merge` wrote what it draws with the base and the adapter.

For tiny pipelines of SD 1.x (half precision), SD 2.x (a UNet in shards) and SDXL (variant fp16) an adapter on layers of every
kind is made with PEFT. Any tensor that is not adapted and is not the same to the last byte ends the script with status 1;
so does a pixel that is more than 2 gray levels off.

    npm run build && python tools/reference/merged_loads.py
"""

import json
import pathlib
import sys
import tempfile

import numpy as np
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors.torch import load_file

from adapter_pictures import FOLDER, LEAST_CHANGE, MOST_GREY_LEVELS, PROMPTS, levels, save_adapter, tributary

PIPELINES = {"sd1": StableDiffusionPipeline, "sd2": StableDiffusionPipeline, "sdxl": StableDiffusionXLPipeline}


def open_folder(name, folder):
    variant = "fp16" if name == "sdxl" else None
    pipeline = PIPELINES[name].from_pretrained(folder, variant=variant, torch_dtype=torch.float32)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def draw(pipeline):
    generator = torch.Generator().manual_seed(4)
    images = pipeline(PROMPTS, num_inference_steps=8, guidance_scale=3, generator=generator, output_type="np").images
    return np.round(images * 255).astype(np.uint8)


def stored(folder):
    return {name: value for file in folder.glob("unet/*.safetensors") for name, value in load_file(file).items()}


def check(name, folder):
    base, merged = FOLDER / "test/fixtures/stable-diffusion" / name, folder / f"{name}-merged"
    adapter = folder / f"{name}.safetensors"
    save_adapter(open_folder(name, base), adapter)
    tributary("merge", adapter, "--pipeline", base, "--out", merged)
    # Of its own file with layers beside attention diffusers 0.42.1 leaves the attention layers out, with a warning.
    exported = folder / f"{name}-peft.safetensors"
    tributary("export", adapter, "--format", "peft", "--dtype", "fp32", "--out", exported)
    pipeline = open_folder(name, base)
    plain = draw(pipeline)
    pipeline.load_lora_weights(str(folder), weight_name=exported.name)
    wanted, found = draw(pipeline), draw(open_folder(name, merged))
    before, after = stored(base), stored(merged)
    adapted = {key.removeprefix("unet.").split(".lora")[0] for key in load_file(adapter)}
    kept = [key for key in before if key.removesuffix(".weight") not in adapted]
    same = before.keys() == after.keys() and all(
        before[key].dtype == after[key].dtype and torch.equal(before[key], after[key]) for key in kept
    )
    result = {"pipeline": name, "adapted": len(adapted), "kept as they were": len(kept) if same else None,
              "gray levels": levels(found, wanted), "without adapter": levels(plain, wanted)}  # fmt: skip
    print(json.dumps(result))
    return same and result["gray levels"] <= MOST_GREY_LEVELS and result["without adapter"] >= LEAST_CHANGE


def main():
    with tempfile.TemporaryDirectory() as name:
        if not all([check(pipeline, pathlib.Path(name)) for pipeline in PIPELINES]):
            sys.exit("diffusers draws other pictures with the merged folder")


if __name__ == "__main__":
    main()

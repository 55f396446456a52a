"""Writes test/fixtures/several-adapters: two adapters for a tiny pipeline each, and what diffusers draws with both at once.

For Stable Diffusion 1.x and SDXL (test/fixtures/stable-diffusion). The adapters have different ranks, scales and layers; both change
the UNet, and the second one every text encoder. `set_adapters` weighs them with 0.8 and -0.5. Noise and settings are those of
adapter_pictures.py. Needs a transformers that takes the installed PEFT, such as 5.23.0 with 0.21.2.

    python tools/reference/several_adapters.py [output folder]
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from adapter_pictures import FOLDER, GUIDANCE_SCALE, NUM_STEPS, PROMPTS, SEED, draw_with_diffusers, levels, open_pipeline

STRENGTHS = [0.8, -0.5]
UNET = [dict(r=2, lora_alpha=3, target_modules=["to_q", "to_out.0", "conv1"]), dict(r=3, lora_alpha=2, target_modules=["to_q", "to_v"])]
TEXT = dict(r=1, lora_alpha=2, target_modules=["q_proj", "out_proj", "fc1"])


def layers_of(model, settings, generator):
    model.add_adapter(LoraConfig(**settings))
    with torch.no_grad():
        for name, value in model.named_parameters():
            if ".lora_" in name:
                value.copy_(torch.randn(value.shape, generator=generator) * 0.3)
    return get_peft_model_state_dict(model)


def save_adapters(name, folder):
    from diffusers.training_utils import _collate_lora_metadata

    for index, settings in enumerate(UNET):
        pipeline, generator = open_pipeline(name), torch.Generator().manual_seed(index)
        models = {"unet": pipeline.unet}
        layers = {"unet_lora_layers": layers_of(pipeline.unet, settings, generator)}
        for component in ("text_encoder", "text_encoder_2") if index == 1 else ():
            if getattr(pipeline, component, None) is not None:
                models[component] = getattr(pipeline, component)
                layers[f"{component}_lora_layers"] = layers_of(models[component], TEXT, generator)
        metadata = _collate_lora_metadata(models)
        type(pipeline).save_lora_weights(folder, weight_name=f"{name}-{index}.safetensors", **layers, **metadata)


def main(output):
    torch.use_deterministic_algorithms(True)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        noise_file = pathlib.Path(name) / "noise.safetensors"
        subprocess.run(["node", "tools/reference/sampler-noise.mjs", str(noise_file), "evaluation"], check=True, cwd=FOLDER)
        noise = load_file(noise_file)
    for name in ("sd1", "sdxl"):
        save_adapters(name, output)
        pipeline = open_pipeline(name)
        pictures = {"plain": draw_with_diffusers(pipeline, noise)}
        for index in range(2):
            pipeline.load_lora_weights(output, weight_name=f"{name}-{index}.safetensors", adapter_name=f"a{index}")
        pipeline.set_adapters(["a0", "a1"], STRENGTHS)
        pictures["both"] = draw_with_diffusers(pipeline, noise)
        if not hasattr(pipeline, "text_encoder_2"):
            pipeline.text_encoder.disable_adapters()
        else:
            pipeline.text_encoder.disable_adapters()
            pipeline.text_encoder_2.disable_adapters()
        pictures["without text"] = draw_with_diffusers(pipeline, noise)
        print(name, {key: levels(pictures["both"], value) for key, value in pictures.items()})
        about = dict(prompts=PROMPTS, guidanceScale=GUIDANCE_SCALE, numSteps=NUM_STEPS, seed=SEED, strengths=STRENGTHS)
        stored = {key: torch.from_numpy(value) for key, value in pictures.items()}
        save_file(stored, output / f"{name}-pictures.safetensors", {"about": json.dumps(about)})


if __name__ == "__main__":
    default = FOLDER / "test/fixtures/several-adapters"
    main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default)

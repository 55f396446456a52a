"""Prints how far PyTorch's own gradients in half precision are from those in double precision (docs/gpu.md).

The pipelines, adapters and rows are those of test/fixtures/text-encoder-lora (text_encoder_lora.py), which also holds
the gradients in double precision. Here the UNet computes in float16, as `torch.autocast` does it, or with every weight
and activation in half; text encoders are in float32, or under autocast too. LoRA weights stay in float32, the loss is
scaled. Errors are |a - b| / |b|, as vectors over all layers of a component, and of the one layer that is furthest off.

    pip install -r tools/reference/requirements.txt
    python tools/reference/half_gradients.py
"""

import contextlib
import json
import pathlib
import sys

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from stable_diffusion import ADV_CLIP_MAX, CLIP_RANGE, GUIDANCE_SCALE, SAMPLE_SIZE, Fixture, log_prob
from text_encoder_lora import TEXT_LAYERS, UNET_LAYERS, adapt

SCALES = (1.0, 1024.0, 65536.0)
HALF = lambda is_on: torch.autocast("cpu", torch.float16) if is_on else contextlib.nullcontext()


def open_parts(folder, adapter):
    fixture = Fixture(folder)
    parts = {"unet": adapt(fixture.unet, UNET_LAYERS), "text_encoder": adapt(fixture.text_encoder, TEXT_LAYERS)}
    if fixture.is_xl:
        parts["text_encoder_2"] = adapt(fixture.text_encoder_2, TEXT_LAYERS)
    tensors, named = load_file(adapter), {}
    for component, model in parts.items():
        model.float()
        for key, parameter in model.named_parameters():
            if "lora_" not in key:
                continue
            module = key.replace(".default", "").removeprefix("text_model.")
            stored = {name.replace(".text_model.", "."): value for name, value in tensors.items()}
            with torch.no_grad():
                parameter.copy_(stored[f"{component}.{module}"])
            prefix = component if component == "unet" else f"{component}.text_model"
            named[f"gradient:{prefix}.{module}"] = parameter
    return fixture, named


def gradients(fixture, named, rows, about, unet, is_text_half, scale):
    for parameter in named.values():
        parameter.grad = None
    dtype = torch.float16 if unet == "all" else torch.float32
    fixture.unet.float()
    if unet == "all":
        for key, parameter in fixture.unet.named_parameters():
            if "lora_" not in key:
                parameter.data = parameter.data.half()
    per_row = lambda values: values[:, None, None, None]

    def embed(prompts):
        with HALF(is_text_half):
            tokens, pooled = fixture.embed(prompts)
        if not fixture.is_xl:
            return tokens.float(), None
        kept = torch.tensor([float(prompt != "") for prompt in prompts])
        return tokens.float() * kept[:, None, None], pooled.float() * kept[:, None]

    positive, negative = embed(about["prompts"]), embed(about["negativePrompts"])
    join = lambda part: None if positive[part] is None else torch.cat([negative[part], positive[part]]).to(dtype)
    embeds, pooled, added = join(0), join(1), None
    if pooled is not None:
        size = float(2 * SAMPLE_SIZE)
        time_ids = torch.tensor([[size, size, 0, 0, size, size]] * len(embeds), dtype=dtype)
        added = {"text_embeds": pooled, "time_ids": time_ids}
    sample, timestep = torch.cat([rows["sample"]] * 2).to(dtype), torch.cat([rows["timestep"]] * 2)
    with HALF(unet == "autocast" or unet == "all"):
        output = fixture.unet(sample, timestep, encoder_hidden_states=embeds, added_cond_kwargs=added).sample.float()
    without, prompted = output.chunk(2)
    output = without + GUIDANCE_SCALE * (prompted - without)
    mean = per_row(rows["sampleCoefficient"]) * rows["sample"] + per_row(rows["outputCoefficient"]) * output
    current = log_prob(mean, per_row(rows["stdDevT"]), rows["nextLatents"])
    ratio = torch.exp(current - rows["oldLogProb"])
    advantage = rows["advantage"].clamp(-ADV_CLIP_MAX, ADV_CLIP_MAX)
    clipped = ratio.clamp(1 - CLIP_RANGE, 1 + CLIP_RANGE)
    loss = (rows["weight"] * torch.maximum(-advantage * ratio, -advantage * clipped)).sum()
    (loss * scale).backward()
    gradient = lambda p: torch.zeros(p.shape) if p.grad is None else p.grad.float() / scale
    return {key: gradient(parameter) for key, parameter in named.items()}


def error(found, wanted):
    return ((found - wanted).norm() / wanted.norm()).item()


def main(pipelines="test/fixtures/stable-diffusion", fixtures="test/fixtures/text-encoder-lora"):
    print("model   UNet      text      scale   unet     text     worst layer, its share of the gradient")
    for name in ("sd1", "sd2", "sdxl"):
        path = pathlib.Path(fixtures) / f"{name}-expected.safetensors"
        with safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["about"])
        wanted = load_file(path)
        rows = {key.removeprefix("input:"): value for key, value in wanted.items() if key.startswith("input:")}
        fixture, named = open_parts(pathlib.Path(pipelines) / name, pathlib.Path(fixtures) / f"{name}.safetensors")
        modes = [("float32", False, 1.0), *(("autocast", False, scale) for scale in SCALES)]
        modes += [("autocast", True, 1024.0), ("all", False, 1024.0)]
        for unet, is_text_half, scale in modes:
            found = gradients(fixture, named, rows, about, unet, is_text_half, scale)
            flat = lambda of, is_text: torch.cat([of[key].flatten() for key in named if ("text_" in key) == is_text])
            errors = [error(flat(found, part), flat(wanted, part)) for part in (False, True)]
            off = {key: error(found[key], wanted[key]) for key in named if wanted[key].norm() > 0}
            worst = max(off, key=off.get)
            share = (wanted[worst].norm() / flat(wanted, "text_" in worst).norm()).item()
            text = "float16" if is_text_half else "float32"
            layer = worst.removeprefix("gradient:")
            of_unet, of_text, of_worst = (f"{one:.1e}" for one in (*errors, off[worst]))
            print(f"{name:6}  {unet:8}  {text}  {scale:6.0f}  {of_unet}  {of_text}  {of_worst} {share:.1e} {layer}")


if __name__ == "__main__":
    main(*sys.argv[1:])

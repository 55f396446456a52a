"""Writes test/fixtures/text-encoder-lora/: adapters of UNet and text encoders, and their gradients by autograd.

The pipelines are those of tools/reference/stable_diffusion.py. For each, PEFT puts LoRA into the keys and values of cross-attention and
into the attention of the text encoder, or of both. <name>.safetensors is the adapter, as the pipeline's `save_lora_weights` writes
it; <name>-expected.safetensors holds the rows of one update, and what PyTorch makes of them in double precision, prompts
included: loss and ratios of a clipped DDPO loss under guidance, its gradients (`gradient:<module>.lora_A`), and the
exact KL of every row to the model without adapters.

    pip install -r tools/reference/requirements.txt
    python tools/reference/text_encoder_lora.py
"""

import json
import pathlib
import shutil
import sys
import tempfile

import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from stable_diffusion import (
    ADV_CLIP_MAX,
    ADVANTAGES,
    CLIP_RANGE,
    GUIDANCE_SCALE,
    RATIOS,
    SAMPLE_SIZE,
    TIMESTEPS,
    WEIGHTS,
    Fixture,
    log_prob,
    single,
)

RANK, ALPHA = 2, 3
UNET_LAYERS = r".*attn2\.to_[kv]"
TEXT_LAYERS = ["q_proj", "k_proj", "v_proj", "out_proj"]
PROMPTS = ["a photo of the cat", "two dogs, oil on canvas", "a photo of the cat", "a horse on mars"]
# Of a row each. An empty one of SDXL is embedded as zeros.
NEGATIVES = ["", "", "the rain", "the rain"]


def adapt(model, layers):
    # `add_adapter` of transformers asks for a newer PEFT than that of diffusers.
    inject_adapter_in_model(LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=layers), model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.requires_grad_("lora_" in name)
            if "lora_" in name:
                parameter.copy_(single(0.2 * torch.randn(parameter.shape)))
    return model


def embed_rows(fixture, prompts):
    """Like `encode_prompt`, which embeds an empty negative prompt of SDXL as zeros."""
    tokens, pooled = fixture.embed(prompts)
    if not fixture.is_xl:
        return tokens, None
    kept = torch.tensor([float(prompt != "") for prompt in prompts], dtype=torch.float64)
    return tokens * kept[:, None, None], pooled * kept[:, None]


def write(name, root, target):
    torch.manual_seed(20_261_130)
    fixture = Fixture(root / name)
    parts = {"unet": adapt(fixture.unet, UNET_LAYERS), "text_encoder": adapt(fixture.text_encoder, TEXT_LAYERS)}
    if fixture.is_xl:
        parts["text_encoder_2"] = adapt(fixture.text_encoder_2, TEXT_LAYERS)
    column = lambda values: torch.tensor(values, dtype=torch.float64)
    per_row = lambda values: values[:, None, None, None]
    rows = {
        "sample": single(torch.randn(4, 4, SAMPLE_SIZE, SAMPLE_SIZE)),
        "sampleCoefficient": single(column([1.02, 1.05, 1.1, 1.2])),
        "outputCoefficient": single(column([-0.1, -0.2, -0.3, -0.5])),
        "stdDevT": single(column([0.4, 0.3, 0.2, 0.1])),
        "advantage": single(column(ADVANTAGES)),
        "weight": single(column(WEIGHTS)),
        "timestep": column(TIMESTEPS),
    }

    def mean_of():
        conditional, unconditional = embed_rows(fixture, PROMPTS), embed_rows(fixture, NEGATIVES)
        output = fixture.guided(rows["sample"], rows["timestep"], conditional, unconditional)
        return per_row(rows["sampleCoefficient"]) * rows["sample"] + per_row(rows["outputCoefficient"]) * output

    mean, std_dev = mean_of(), per_row(rows["stdDevT"])
    rows["nextLatents"] = single((mean + std_dev * torch.randn_like(mean)).detach())
    current = log_prob(mean, std_dev, rows["nextLatents"])
    rows["oldLogProb"] = single((current - torch.log(column(RATIOS))).detach())
    ratio = torch.exp(current - rows["oldLogProb"])
    advantage = rows["advantage"].clamp(-ADV_CLIP_MAX, ADV_CLIP_MAX)
    clipped = ratio.clamp(1 - CLIP_RANGE, 1 + CLIP_RANGE)
    loss = (rows["weight"] * torch.maximum(-advantage * ratio, -advantage * clipped)).sum()
    loss.backward()
    for model in parts.values():
        for module in model.modules():
            if isinstance(module, BaseTunerLayer):
                module.enable_adapters(False)
    with torch.no_grad():
        kl = ((mean.detach() - mean_of()) ** 2 / (2 * std_dev**2)).sum(dim=(1, 2, 3))
    found = {"loss": loss, "ratio": ratio, "klToPretrained": kl}
    for component, model in parts.items():
        for key, parameter in model.named_parameters():
            if "lora_" not in key:
                continue
            # The names of diffusers, whose text encoders begin with text_model; a layer that no output depends on has no gradient.
            module = key.replace(".default", "").removeprefix("text_model.")
            prefix = component if component == "unet" else f"{component}.text_model"
            found[f"gradient:{prefix}.{module}"] = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
    tensors = {**{f"input:{key}": value for key, value in rows.items()}, **found}
    tensors = {key: value.detach().to(torch.float32).contiguous().clone() for key, value in tensors.items()}
    about = dict(prompts=PROMPTS, negativePrompts=NEGATIVES, rank=RANK, alpha=ALPHA, guidanceScale=GUIDANCE_SCALE,
                 clipRange=CLIP_RANGE, advClipMax=ADV_CLIP_MAX)
    save_file(tensors, target / f"{name}-expected.safetensors", {"about": json.dumps(about)})
    save_adapter(parts, fixture.is_xl, target / f"{name}.safetensors")
    print(f"{name}: loss {loss.item():.6g}, {len(found) - 3} gradients, KL {kl.mean().item():.4g}")


def save_adapter(parts, is_xl, path):
    kind = StableDiffusionXLPipeline if is_xl else StableDiffusionPipeline
    layers = {component: {key: value.float() for key, value in get_peft_model_state_dict(model).items()} for component, model in parts.items()}
    encoders = {f"{component}_lora_layers": layers[component] for component in parts if component != "unet"}
    with tempfile.TemporaryDirectory() as folder:
        kind.save_lora_weights(folder, unet_lora_layers=layers["unet"], **encoders)
        written = pathlib.Path(folder) / "pytorch_lora_weights.safetensors"
        # Alpha goes along by hand, as `save_lora_weights` leaves it out unless it is given the configs, in an order that changes.
        tensors = load_file(written)
    metadata = {f"{component}.{key}": value for component in sorted(parts) for key, value in (("lora_alpha", ALPHA), ("r", RANK))}
    save_file(tensors, path, {"lora_adapter_metadata": json.dumps(metadata)})


def main(pipelines="test/fixtures/stable-diffusion", output="test/fixtures/text-encoder-lora"):
    torch.use_deterministic_algorithms(True)
    target = pathlib.Path(output)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in ("sd1", "sd2", "sdxl"):
        write(name, pathlib.Path(pipelines), target)


if __name__ == "__main__":
    main(*sys.argv[1:])

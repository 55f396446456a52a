"""Proves that exported adapters load in diffusers, and records what diffusers itself writes.

    python tools/reference/adapter_loads.py record [fixture]   writes test/fixtures/diffusers-adapter.json and .safetensors
    python tools/reference/adapter_loads.py check [program]    runs `tributary export` and loads what it wrote

A tiny Stable Diffusion pipeline with random weights stands for the real one: it has every kind of layer that
the UNet of Stable Diffusion 1.x has. `check` takes an adapter that diffusers wrote, has Tributary export it in both
styles and precisions, loads each with `load_lora_weights`, and compares three things: the number of adapted modules, the
UNet's output with W + alpha / rank B A put into its weights by hand, and pictures. Any difference ends it with status 1.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
import diffusers
import peft
import transformers
from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel, AutoencoderKL
from diffusers.utils import convert_state_dict_to_diffusers, convert_state_dict_to_kohya
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

FOLDER = pathlib.Path(__file__).resolve().parents[2]
FIXTURE = FOLDER / "test/fixtures/diffusers-adapter.safetensors"
ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
EVERY_KIND = ATTENTION + ["ff.net.0.proj", "ff.net.2", "proj_in", "proj_out", "conv1", "conv2", "conv_shortcut",
                          "downsamplers.0.conv", "upsamplers.0.conv", "time_emb_proj"]  # fmt: skip
RANK, ALPHA = 3, 6.0


def tiny_unet():
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=12,
        attention_head_dim=2,
        norm_num_groups=4,
    ).eval()


def tiny_pipeline(folder):
    unet = tiny_unet()
    torch.manual_seed(1)
    vae = AutoencoderKL(block_out_channels=(8,), norm_num_groups=4, latent_channels=4, sample_size=8).eval()
    config = CLIPTextConfig(vocab_size=80, hidden_size=12, intermediate_size=24, num_hidden_layers=1,
                            num_attention_heads=2, max_position_embeddings=16, eos_token_id=1, bos_token_id=0)  # fmt: skip
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    vocabulary = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    vocab, merges = folder / "vocab.json", folder / "merges.txt"
    vocab.write_text(json.dumps({word: index for index, word in enumerate(vocabulary)}))
    merges.write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(vocab), str(merges), model_max_length=16)
    pipeline = StableDiffusionPipeline(
        unet=unet,
        vae=vae,
        text_encoder=CLIPTextModel(config).eval(),
        tokenizer=tokenizer,
        scheduler=DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def adapted_unet(targets=EVERY_KIND, **options):
    """A tiny UNet with an adapter that is at work; B is no longer zero."""
    unet = tiny_unet()
    unet.add_adapter(LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=targets, **options))
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, value in unet.named_parameters():
            if ".lora_" in name:
                value.copy_(torch.randn(value.shape, generator=generator) * 0.1)
    return unet


def lora_state(unet):
    return convert_state_dict_to_diffusers(get_peft_model_state_dict(unet))


def save_with_diffusers(unet, folder):
    """As diffusers' own training scripts save an adapter."""
    try:
        from diffusers.training_utils import _collate_lora_metadata
        metadata = _collate_lora_metadata({"unet": unet})
    except ImportError:
        metadata = {"unet_lora_adapter_metadata": unet.peft_config["default"].to_dict()}
    StableDiffusionPipeline.save_lora_weights(folder, unet_lora_layers=lora_state(unet), **metadata)
    return pathlib.Path(folder) / "pytorch_lora_weights.safetensors"


def record():
    """The file that diffusers writes, and the names of the same layers in the style of kohya."""
    unet = adapted_unet()
    with tempfile.TemporaryDirectory() as folder:
        FIXTURE.write_bytes(save_with_diffusers(unet, folder).read_bytes())
    plain = {f"unet.{name}": value for name, value in get_peft_model_state_dict(unet).items()}
    kohya = convert_state_dict_to_kohya(plain)
    module_names = sorted(name for name, module in tiny_unet().named_modules()
                          if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)))  # fmt: skip
    facts = {
        "versions": {module.__name__: module.__version__ for module in (torch, diffusers, peft, transformers)},
        "rank": RANK,
        "alpha": ALPHA,
        "peft": {name: list(value.shape) for name, value in sorted(plain.items())},
        "kohya": {name: list(value.shape) for name, value in sorted(kohya.items())},
        "modules": module_names,
    }
    FIXTURE.with_suffix(".json").write_text(json.dumps(facts) + "\n")
    print(FIXTURE)


def merged_by_hand(state):
    """A tiny UNet with W + alpha / rank B A in its weights."""
    unet = tiny_unet()
    weights = unet.state_dict()
    for name, a in state.items():
        # Attention layers are written with the names of before PEFT, all others with PEFT's.
        down, up = ("lora.down", "lora.up") if ".lora.down." in name else ("lora_A", "lora_B")
        if down not in name:
            continue
        module = name.removeprefix("unet.").removesuffix(f".{down}.weight")
        b = state[name.replace(down, up)]
        weight = weights[f"{module}.weight"]
        delta = (b.double().flatten(1) @ a.double().flatten(1)).reshape(weight.shape)
        weights[f"{module}.weight"] = (weight.double() + ALPHA / RANK * delta).float()
    unet.load_state_dict(weights)
    return unet


@torch.no_grad()
def output_of(unet):
    generator = torch.Generator().manual_seed(3)
    sample = torch.randn(2, 4, 8, 8, generator=generator)
    states = torch.randn(2, 16, 12, generator=generator)
    return unet(sample, torch.tensor([700, 20]), states).sample


def picture_of(pipeline):
    generator = torch.Generator().manual_seed(4)
    images = pipeline("a cat", num_inference_steps=4, guidance_scale=3, generator=generator, output_type="np").images
    return np.round(images * 255)


def compare(file, program_name, pipeline_folder, original):
    pipeline = tiny_pipeline(pipeline_folder)
    plain, base = output_of(pipeline.unet), picture_of(pipeline)
    pipeline.load_lora_weights(str(file.parent), weight_name=file.name)
    adapted = [name for name, module in pipeline.unet.named_modules() if hasattr(module, "lora_A")]
    scales = {module.scaling[key] for module in pipeline.unet.modules() if hasattr(module, "scaling")
              for key in module.scaling}  # fmt: skip
    reference = merged_by_hand(original)
    wanted, found = output_of(reference), output_of(pipeline.unet)
    difference = ((found - wanted).abs().max() / wanted.abs().max()).item()
    pictures = picture_of(pipeline)
    pipeline.unload_lora_weights()
    pipeline.unet = reference
    levels = np.abs(pictures - picture_of(pipeline)).max()
    moved = ((wanted - plain).abs().max() / wanted.abs().max()).item()
    result = dict(file=file.name, by=program_name, modules=len(adapted), scales=sorted(scales), moved=moved,
                  difference=difference, gray_levels=float(levels), gray_levels_moved=float(np.abs(pictures - base).max()))  # fmt: skip
    print(json.dumps(result))
    limit = 1e-5 if "fp32" in file.name else 2e-3
    return (len(adapted) == len(original) // 2 and scales == {ALPHA / RANK} and difference < limit < moved
            and levels <= 2)  # fmt: skip


def check(program=("node", "dist/cli/main.js")):
    print(json.dumps({module.__name__: module.__version__ for module in (torch, diffusers, peft, transformers)}))
    passed = True
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        source = save_with_diffusers(adapted_unet(), folder / "source")
        original = load_file(source)
        for style in ("peft", "kohya"):
            for dtype in ("fp32", "fp16"):
                file = folder / style / f"{style}-{dtype}.safetensors"
                arguments = ["export", str(source), "--format", style, "--dtype", dtype, "--out", str(file)]
                subprocess.run([*program, *arguments], check=True, cwd=FOLDER, stdout=subprocess.DEVNULL)
                passed &= compare(file, f"{style} {dtype}", folder, original)
    if not passed:
        sys.exit("an exported adapter is not the one that diffusers wrote")


if __name__ == "__main__":
    if sys.argv[1:2] == ["record"]:
        record()
    elif sys.argv[1:2] == ["check"]:
        check(tuple(sys.argv[2:]) or ("node", "dist/cli/main.js"))
    else:
        sys.exit(__doc__)

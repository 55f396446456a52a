"""Writes test/fixtures/stable-diffusion-3.safetensors: a tiny pipeline of SD 3.5, and what diffusers makes of it.

The pipeline has no third text encoder, of whose tokens diffusers therefore makes zeros; beside it are embeddings and a
picture of the same one with T5. No weights are stored: both sides
make them by one formula, as in network_variants.py; configs and shapes are in the file's metadata, and the tokenizers are
those of stable-diffusion/sdxl. Beside text embeddings and pictures of deterministic steps there are the loss and the LoRA
gradients of GRPO for every linear layer and convolution, by autograd in double precision. The noise is the sampler's own,
stable-diffusion/noise.safetensors.

    python tools/reference/stable_diffusion_3.py [output file]
"""

import json
import pathlib
import sys

import diffusers
import torch
import transformers
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
from network_variants import fill, made
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer, T5Config, T5EncoderModel, T5TokenizerFast

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "test/fixtures"
PROMPTS = ["a photo of an astronaut riding a horse on mars", "two cats, oil on canvas!"]
GUIDANCE_SCALE, NUM_STEPS, SEED = 3.0, 6, 7
# As many numbers as the noise has.
PICTURES = {"square": (16, 16), "wide": (8, 32)}

RANK, ALPHA = 2, 3.0
CLIP_RANGE, ADV_CLIP_MAX, KL_WEIGHT = 0.1, 2.0, 0.04
# As in stable_diffusion.py: every side of the clip.
RATIOS = [1.05, 1.3, 1.3, 0.8]
ADVANTAGES = [0.7, 1.1, -0.6, 3.5]
WEIGHTS = [0.25, 0.25, 0.5, 0.125]
TIMESTEPS = [951.0, 501.0, 301.0, 1.0]


def text_encoder(tokenizer, **others):
    config = CLIPTextConfig(
        vocab_size=len(tokenizer), num_attention_heads=2, num_hidden_layers=3, max_position_embeddings=77,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        **others,
    )  # fmt: skip
    return CLIPTextModelWithProjection(config)


def third_encoder():
    """T5, with the tokenizer of t5_encoder.py."""
    tokenizer = T5TokenizerFast.from_pretrained(FIXTURES / "t5/tokenizer")
    config = T5Config(
        vocab_size=len(tokenizer), d_model=48, d_kv=6, d_ff=40, num_layers=2, num_heads=3, relative_attention_num_buckets=8,
        relative_attention_max_distance=20, feed_forward_proj="gated-gelu",
    )  # fmt: skip
    return T5EncoderModel(config), tokenizer


def fill_third(model):
    """As `fill`, whose names of an encoder are those of a VAE; the table of tokens has two names, of which one is filled."""
    state = {name: value for name, value in model.double().eval().state_dict().items() if "embed_tokens" not in name}
    with torch.no_grad():
        for seed, name in enumerate(sorted(state)):
            shape = tuple(state[name].shape)
            is_norm = len(shape) == 1
            state[name].copy_(made(shape, seed, 0.4 if is_norm else 3 / shape[1] ** 0.5) + (1 if is_norm else 0))
            state[name].copy_(single(state[name]))
    return {name: list(state[name].shape) for name in sorted(state)}


def tiny_pipeline(has_third=False):
    """Returns the pipeline in double precision, and the shapes of its weights by component."""
    tokenizers = [CLIPTokenizer.from_pretrained(FIXTURES / "stable-diffusion/sdxl" / name) for name in ("tokenizer", "tokenizer_2")]
    transformer = SD3Transformer2DModel(
        sample_size=4, patch_size=2, in_channels=16, out_channels=16, num_layers=2, attention_head_dim=8, num_attention_heads=2,
        joint_attention_dim=48, caption_projection_dim=16, pooled_projection_dim=32, pos_embed_max_size=6,
        dual_attention_layers=(0,), qk_norm="rms_norm",
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 16), down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1, latent_channels=16, norm_num_groups=4, sample_size=16, scaling_factor=1.4, shift_factor=0.3,
        use_quant_conv=False, use_post_quant_conv=False,
    )  # fmt: skip
    parts = {
        "transformer": transformer,
        "vae": vae,
        "text_encoder": text_encoder(tokenizers[0], hidden_size=16, intermediate_size=32, projection_dim=12),
        "text_encoder_2": text_encoder(tokenizers[1], hidden_size=24, intermediate_size=48, projection_dim=20, hidden_act="gelu"),
    }
    third, tokenizer_3 = third_encoder() if has_third else (None, None)
    shapes = {name: fill(part) for name, part in parts.items()}
    if third:
        parts["text_encoder_3"], shapes["text_encoder_3"] = third, fill_third(third)
    pipe = StableDiffusion3Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=2.5),
        tokenizer=tokenizers[0], tokenizer_2=tokenizers[1], tokenizer_3=tokenizer_3, **{"text_encoder_3": None, **parts},
    )  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    return pipe, shapes


def single(tensor):
    """Rounded to single precision, so that both sides start from the same numbers."""
    return tensor.to(torch.float32).to(torch.float64)


def embed(pipe, prompts):
    embeds, _, pooled, _ = pipe.encode_prompt(prompts, None, None, do_classifier_free_guidance=False)
    return embeds, pooled


def draw(pipe, noise, height, width):
    latents = noise["initial"].double().reshape(len(PROMPTS), 16, height // 4, width // 4)
    images = pipe(
        PROMPTS, num_inference_steps=NUM_STEPS, guidance_scale=GUIDANCE_SCALE, latents=latents, height=height, width=width,
        output_type="np",
    ).images  # fmt: skip
    return torch.from_numpy(images)


def log_prob(mean, std_dev, next_latents):
    density = -((next_latents - mean) ** 2) / (2 * std_dev**2) - torch.log(std_dev) - 0.5 * torch.log(torch.tensor(2 * torch.pi))
    return density.mean(dim=(1, 2, 3))


def add_lora(network):
    """Adds (alpha / rank) x A B beside every linear layer and convolution; returns A and B by layer, as graphs have them."""
    layers = {name: m for name, m in network.named_modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))}
    adapters = {}
    for index, name in enumerate(sorted(layers)):
        layer = layers[name]
        is_conv = isinstance(layer, torch.nn.Conv2d)
        outputs, *inputs = layer.weight.shape
        shapes = ((RANK, *inputs), (outputs, RANK, 1, 1)) if is_conv else ((inputs[0], RANK), (RANK, outputs))
        a, b = (made(shape, 2000 + 2 * index + part, 0.6).requires_grad_() for part, shape in enumerate(shapes))
        adapters[name] = (a, b)

        def beside(module, args, y, a=a, b=b, is_conv=is_conv):
            if not adapters:
                return y
            convolve = torch.nn.functional.conv2d
            delta = convolve(convolve(args[0], a, stride=module.stride), b) if is_conv else args[0] @ a @ b
            return y + (ALPHA / RANK) * delta

        layer.register_forward_hook(beside)
    return adapters


def gradients(pipe):
    pairs = len(RATIOS)
    # Without the tokens of zeros: sums over 256 equal rows round by up to 1e-3 of what is left of them in single precision.
    embeds, pooled = embed(pipe, [*PROMPTS * (pairs // 2), *[""] * pairs])
    conditional, unconditional = (embeds[:pairs, :77], pooled[:pairs]), (embeds[pairs:, :77], pooled[pairs:])
    column = lambda values: torch.tensor(values, dtype=torch.float64)
    per_pair = lambda values: values[:, None, None, None]
    latents = made((pairs, 16, 4, 4), 1001, 4)
    inputs = {
        "sampleCoefficient": single(column([1.02, 1.05, 1.1, 1.2])),
        "outputCoefficient": single(column([-0.1, -0.2, -0.3, -0.5])),
        "stdDevT": single(column([0.4, 0.3, 0.2, 0.1])),
        "advantage": single(column(ADVANTAGES)),
        "weight": single(column(WEIGHTS)),
        "sample": torch.cat([latents, latents]),
        "timestep": column(TIMESTEPS + TIMESTEPS),
    }
    std_dev = per_pair(inputs["stdDevT"])

    def mean():
        output = pipe.transformer(
            hidden_states=inputs["sample"],
            timestep=inputs["timestep"],
            encoder_hidden_states=torch.cat([unconditional[0], conditional[0]]),
            pooled_projections=torch.cat([unconditional[1], conditional[1]]),
        ).sample
        without, with_prompt = output.chunk(2)
        guided = without + GUIDANCE_SCALE * (with_prompt - without)
        return per_pair(inputs["sampleCoefficient"]) * latents + per_pair(inputs["outputCoefficient"]) * guided

    with torch.no_grad():
        frozen = mean()
    adapters = add_lora(pipe.transformer)
    adapted = mean()
    inputs["nextLatents"] = single((adapted + std_dev * made(adapted.shape, 1004, 3.4)).detach())
    current = log_prob(adapted, std_dev, inputs["nextLatents"])
    inputs["oldLogProb"] = single((current - torch.log(column(RATIOS))).detach())
    ratio = torch.exp(current - inputs["oldLogProb"])
    advantage = inputs["advantage"].clamp(-ADV_CLIP_MAX, ADV_CLIP_MAX)
    clipped = ratio.clamp(1 - CLIP_RANGE, 1 + CLIP_RANGE)
    kl = ((adapted - frozen) ** 2 / (2 * std_dev**2)).mean(dim=(1, 2, 3))
    loss = (inputs["weight"] * (torch.maximum(-advantage * ratio, -advantage * clipped) + KL_WEIGHT * kl)).sum()
    loss.backward()
    found = {"loss": loss, "ratio": ratio}
    for layer, (a, b) in adapters.items():
        for part, parameter in (("A", a), ("B", b)):
            # The queries of the last block's prompt reach nothing.
            grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            found[f"gradient:{layer}.lora_{part}"] = grad
    adapters.clear()
    return {**{f"input:{name}": value for name, value in inputs.items()}, **found}


def config_of(part):
    if hasattr(part.config, "to_diff_dict"):
        return {**part.config.to_diff_dict(), "architectures": [type(part).__name__]}
    return {"_class_name": type(part).__name__, "_diffusers_version": diffusers.__version__,
            **{key: value for key, value in part.config.items() if not key.startswith("_")}}  # fmt: skip


def main(output=FIXTURES / "stable-diffusion-3.safetensors"):
    torch.use_deterministic_algorithms(True)
    pipe, shapes = tiny_pipeline()
    noise = load_file(FIXTURES / "stable-diffusion/noise.safetensors")
    with torch.no_grad():
        embeds, pooled = embed(pipe, [*PROMPTS, ""])
        # Those of the third encoder are zeros.
        assert embeds.shape[1] == 77 + 256 and not embeds[:, 77:].any()
        tensors = {"embeds": embeds[:, :77], "pooled": pooled}
        for name, size in PICTURES.items():
            tensors[name] = draw(pipe, noise, *size)
    tensors.update(gradients(pipe))
    whole, shapes_of_whole = tiny_pipeline(has_third=True)
    with torch.no_grad():
        embeds, _ = embed(whole, PROMPTS)
        # The first tokens of T5, and the last, which are padding.
        tensors["embeds3"] = torch.cat([embeds[:, 77:101], embeds[:, -2:]], dim=1)
        tensors["square3"] = draw(whole, noise, *PICTURES["square"])
    shapes["text_encoder_3"] = shapes_of_whole["text_encoder_3"]
    tensors = {name: tensor.detach().to(torch.float32).contiguous().clone() for name, tensor in tensors.items()}
    about = {
        "versions": {module.__name__: module.__version__ for module in (torch, diffusers, transformers)},
        "configs": {name: config_of(getattr(whole, name)) for name in (*shapes, "scheduler")},
        "weights": shapes,
        "prompts": PROMPTS, "guidanceScale": GUIDANCE_SCALE, "numSteps": NUM_STEPS, "seed": SEED,
        "rank": RANK, "alpha": ALPHA, "clipRange": CLIP_RANGE, "advClipMax": ADV_CLIP_MAX, "klWeight": KL_WEIGHT,
        "pairs": len(RATIOS),
    }  # fmt: skip
    save_file(tensors, output, {"about": json.dumps(about)})
    levels = {name: (tensors[name].min().item(), tensors[name].max().item()) for name in PICTURES}
    print(f"{len(tensors)} tensors, loss {tensors['loss'].item():.6g}, pictures within {levels}")


if __name__ == "__main__":
    main(*sys.argv[1:])

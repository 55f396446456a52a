"""Writes test/fixtures/checkpoints/: one-file checkpoints in the layouts of LDM and SGM, and what diffusers draws with them.

sd1, sd2 and sdxl are tiny models with the names, shapes and order of blocks that the original code gives them
(CompVis/stable-diffusion ldm/modules/diffusionmodules/openaimodel.py and model.py, Stability-AI/generative-models,
mlfoundations/open_clip). They are written from that layout, not from a mapping of names, in half precision and compressed
with Brotli; the numbers repeat with a long prime period, so that they compress. pictures.safetensors holds what
`from_single_file` of diffusers draws, where every parameter must have come from the file. clip-ids.json holds token ids of
transformers' CLIPTokenizer over the vocabulary in models/clip. shapes.json.br holds the names and shapes of the published
files of SD 1.5, SD 2.1 and SDXL, whose networks have as many parameters as diffusers builds.

    pip install -r tools/reference/requirements.txt brotli
    python tools/reference/one_file_checkpoints.py
"""

import json
import pathlib
import sys
import tempfile

import brotli
import diffusers
import numpy as np
import torch
import transformers
from diffusers import AutoencoderKL, StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save, save_file
from transformers import CLIPTextConfig, CLIPTokenizer

from pipeline_pictures import NUM_STEPS, PROMPTS, SEED, RecordedNoise, draw
from stable_diffusion import BETAS, END, START, TEXTS, byte_characters

ROOT = pathlib.Path(__file__).parents[2]
OUTPUT = ROOT / "test" / "fixtures" / "checkpoints"
PERIOD = 2039
POSITIONS, VOCABULARY = 77, 49408


def table():
    """Normal numbers in half precision."""
    generator = torch.Generator().manual_seed(7)
    return torch.randn(PERIOD, generator=generator)


class Numbers:
    """Gives every tensor its own stretch of the table: weights by the root of their inputs, norms near one."""

    def __init__(self, bias=0.125):
        self.table, self.count, self.bias = table(), 0, bias

    def __call__(self, name, shape):
        self.count += 1
        size = int(np.prod(shape))
        values = self.table[(torch.arange(size) + 389 * self.count) % PERIOD].reshape(shape)
        if len(shape) > 1:
            fan_in = int(np.prod(shape[1:]))
            scale = 0.5 if "embedding" in name else 2.0 ** round(np.log2(fan_in**-0.5))
            return (scale * values).half()
        is_norm = name.endswith("weight")
        return ((1 if is_norm else 0) + self.bias * values).half()


def linear(name, inputs, outputs, bias=True):
    yield f"{name}.weight", (outputs, inputs)
    if bias:
        yield f"{name}.bias", (outputs,)


def conv(name, inputs, outputs, kernel=3):
    yield f"{name}.weight", (outputs, inputs, kernel, kernel)
    yield f"{name}.bias", (outputs,)


def norm(name, channels):
    yield f"{name}.weight", (channels,)
    yield f"{name}.bias", (channels,)


def unet_residual(name, inputs, outputs, embedding):
    yield from norm(f"{name}.in_layers.0", inputs)
    yield from conv(f"{name}.in_layers.2", inputs, outputs)
    yield from linear(f"{name}.emb_layers.1", embedding, outputs)
    yield from norm(f"{name}.out_layers.0", outputs)
    yield from conv(f"{name}.out_layers.3", outputs, outputs)
    if inputs != outputs:
        yield from conv(f"{name}.skip_connection", inputs, outputs, 1)


def transformer(name, channels, context, depth, is_linear):
    project = (lambda n: linear(n, channels, channels)) if is_linear else (lambda n: conv(n, channels, channels, 1))
    yield from norm(f"{name}.norm", channels)
    yield from project(f"{name}.proj_in")
    for index in range(depth):
        block = f"{name}.transformer_blocks.{index}"
        for attention, inputs in (("attn1", channels), ("attn2", context)):
            yield from linear(f"{block}.{attention}.to_q", channels, channels, False)
            yield from linear(f"{block}.{attention}.to_k", inputs, channels, False)
            yield from linear(f"{block}.{attention}.to_v", inputs, channels, False)
            yield from linear(f"{block}.{attention}.to_out.0", channels, channels)
        yield from linear(f"{block}.ff.net.0.proj", channels, 8 * channels)
        yield from linear(f"{block}.ff.net.2", 4 * channels, channels)
        for index in (1, 2, 3):
            yield from norm(f"{block}.norm{index}", channels)
    yield from project(f"{name}.proj_out")


def unet(channels, layers, depths, middle_depth, context, is_linear, adm=None):
    """UNetModel of openaimodel.py: blocks are counted through all resolutions."""
    embedding = 4 * channels[0]
    yield from linear("time_embed.0", channels[0], embedding)
    yield from linear("time_embed.2", embedding, embedding)
    if adm:
        yield from linear("label_emb.0.0", adm, embedding)
        yield from linear("label_emb.0.2", embedding, embedding)
    yield from conv("input_blocks.0.0", 4, channels[0])
    skips, current, number = [channels[0]], channels[0], 1
    for level, width in enumerate(channels):
        for _ in range(layers):
            yield from unet_residual(f"input_blocks.{number}.0", current, width, embedding)
            if depths[level]:
                yield from transformer(f"input_blocks.{number}.1", width, context, depths[level], is_linear)
            current, number = width, number + 1
            skips.append(current)
        if level < len(channels) - 1:
            yield from conv(f"input_blocks.{number}.0.op", current, current)
            number += 1
            skips.append(current)
    yield from unet_residual("middle_block.0", current, current, embedding)
    yield from transformer("middle_block.1", current, context, middle_depth, is_linear)
    yield from unet_residual("middle_block.2", current, current, embedding)
    number = 0
    for level, width in reversed(list(enumerate(channels))):
        for index in range(layers + 1):
            yield from unet_residual(f"output_blocks.{number}.0", current + skips.pop(), width, embedding)
            current, part = width, 1
            if depths[level]:
                yield from transformer(f"output_blocks.{number}.1", width, context, depths[level], is_linear)
                part = 2
            if level and index == layers:
                yield from conv(f"output_blocks.{number}.{part}.conv", current, current)
            number += 1
    yield from norm("out.0", current)
    yield from conv("out.2", current, 4)


def vae_residual(name, inputs, outputs):
    yield from norm(f"{name}.norm1", inputs)
    yield from conv(f"{name}.conv1", inputs, outputs)
    yield from norm(f"{name}.norm2", outputs)
    yield from conv(f"{name}.conv2", outputs, outputs)
    if inputs != outputs:
        yield from conv(f"{name}.nin_shortcut", inputs, outputs, 1)


def vae_middle(name, channels):
    yield from vae_residual(f"{name}.mid.block_1", channels, channels)
    yield from norm(f"{name}.mid.attn_1.norm", channels)
    for part in ("q", "k", "v", "proj_out"):
        yield from conv(f"{name}.mid.attn_1.{part}", channels, channels, 1)
    yield from vae_residual(f"{name}.mid.block_2", channels, channels)


def vae(channels, layers):
    """AutoencoderKL of LDM (model.py): levels are counted from the finest in both directions."""
    yield from conv("encoder.conv_in", 3, channels[0])
    current = channels[0]
    for level, width in enumerate(channels):
        for index in range(layers):
            yield from vae_residual(f"encoder.down.{level}.block.{index}", current, width)
            current = width
        if level < len(channels) - 1:
            yield from conv(f"encoder.down.{level}.downsample.conv", current, current)
    yield from vae_middle("encoder", current)
    yield from norm("encoder.norm_out", current)
    yield from conv("encoder.conv_out", current, 8)
    yield from conv("decoder.conv_in", 4, current)
    yield from vae_middle("decoder", current)
    for level, width in reversed(list(enumerate(channels))):
        for index in range(layers + 1):
            yield from vae_residual(f"decoder.up.{level}.block.{index}", current, width)
            current = width
        if level:
            yield from conv(f"decoder.up.{level}.upsample.conv", current, current)
    yield from norm("decoder.norm_out", current)
    yield from conv("decoder.conv_out", current, 3)
    yield from conv("quant_conv", 8, 8, 1)
    yield from conv("post_quant_conv", 4, 4, 1)


def clip(width, layers):
    """CLIPTextModel of transformers 4, as FrozenCLIPEmbedder holds it."""
    yield "text_model.embeddings.token_embedding.weight", (VOCABULARY, width)
    yield "text_model.embeddings.position_embedding.weight", (POSITIONS, width)
    for layer in range(layers):
        name = f"text_model.encoder.layers.{layer}"
        for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
            yield from linear(f"{name}.self_attn.{part}", width, width)
        yield from norm(f"{name}.layer_norm1", width)
        yield from linear(f"{name}.mlp.fc1", width, 4 * width)
        yield from linear(f"{name}.mlp.fc2", 4 * width, width)
        yield from norm(f"{name}.layer_norm2", width)
    yield from norm("text_model.final_layer_norm", width)


def open_clip(width, layers, projection):
    """The text half of OpenCLIP's model, as FrozenOpenCLIPEmbedder holds it."""
    yield "positional_embedding", (POSITIONS, width)
    yield "text_projection", (width, projection)
    yield "token_embedding.weight", (VOCABULARY, width)
    for layer in range(layers):
        name = f"transformer.resblocks.{layer}"
        yield from norm(f"{name}.ln_1", width)
        yield f"{name}.attn.in_proj_weight", (3 * width, width)
        yield f"{name}.attn.in_proj_bias", (3 * width,)
        yield from linear(f"{name}.attn.out_proj", width, width)
        yield from norm(f"{name}.ln_2", width)
        yield from linear(f"{name}.mlp.c_fc", width, 4 * width)
        yield from linear(f"{name}.mlp.c_proj", 4 * width, width)
    yield from norm("ln_final", width)


# What of each model a config says; the levels of the UNet are finest first.
# diffusers tells the encoders of SDXL apart by their widths.
WIDTH, SECOND_WIDTH, PROJECTION, TIME_DIM, LAYERS = 64, 128, 48, 8, 3
MODELS = {
    "sd1": dict(channels=(32, 64), layers=2, depths=(1, 0), middle=1, is_linear=False, heads=8, vae=0.18215),
    "sd2": dict(channels=(64, 64), layers=1, depths=(1, 0), middle=1, is_linear=True, heads=[1, 1], vae=0.18215),
    "sdxl": dict(channels=(64, 128), layers=1, depths=(0, 2), middle=2, is_linear=True, heads=[1, 2], vae=0.13025),
}
VAE = (32, 64)
SAMPLE_SIZE = 8
# What training left in published files.
EXTRAS = {
    "sd1": {
        "betas": torch.linspace(0.1, 0.2, 4),
        "model_ema.num_updates": torch.tensor(3, dtype=torch.int32),
        "cond_stage_model.transformer.text_model.embeddings.position_ids": torch.arange(POSITIONS)[None],
    },
    "sd2": {"cond_stage_model.model.logit_scale": torch.tensor(4.0), "global_step": torch.tensor(5)},
    "sdxl": {
        "conditioner.embedders.0.transformer.text_model.embeddings.position_ids": torch.arange(POSITIONS)[None],
        "conditioner.embedders.1.model.logit_scale": torch.tensor(4.0),
        "denoiser.sigmas": torch.linspace(0.1, 0.2, 4),
    },
}


def checkpoint(name):
    """The tensors of a file."""
    model = MODELS[name]
    numbers = Numbers(0.25 if name == "sd2" else 0.125)
    is_xl = name == "sdxl"
    adm = PROJECTION + 6 * TIME_DIM if is_xl else None
    context = WIDTH + SECOND_WIDTH if is_xl else WIDTH
    encoders = {
        "sd1": [("cond_stage_model.transformer.", clip(WIDTH, LAYERS))],
        # The pipeline uses all layers but the last.
        "sd2": [("cond_stage_model.model.", open_clip(WIDTH, LAYERS + 1, WIDTH))],
        "sdxl": [
            ("conditioner.embedders.0.transformer.", clip(WIDTH, LAYERS)),
            ("conditioner.embedders.1.model.", open_clip(SECOND_WIDTH, LAYERS, PROJECTION)),
        ],
    }
    network = unet(
        model["channels"], model["layers"], model["depths"], model["middle"], context, model["is_linear"], adm
    )
    parts = [
        ("model.diffusion_model.", network),
        ("first_stage_model.", vae(VAE, 1)),
        *encoders[name],
    ]
    tensors = {prefix + key: numbers(key, shape) for prefix, part in parts for key, shape in part}
    return {**tensors, **EXTRAS[name]}


def write_vocabulary(folder, pad_token):
    merges = brotli.decompress((ROOT / "models" / "clip" / "merges.txt.br").read_bytes()).decode().splitlines()
    # Printable bytes first, as CLIP's own code orders them.
    characters = list(byte_characters().values())
    tokens = [*characters, *(c + "</w>" for c in characters), *(m.replace(" ", "") for m in merges), START, END]
    assert len(tokens) == VOCABULARY
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": pad_token}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": POSITIONS, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    return CLIPTokenizer.from_pretrained(folder)


def write_configs(folder, name, prediction):
    """The folder of configs that from_single_file takes in place of the hub's."""
    model, is_xl = MODELS[name], name == "sdxl"
    attends = [f"{'CrossAttn' if depth else ''}DownBlock2D" for depth in model["depths"]]
    added = dict(
        addition_embed_type="text_time",
        addition_time_embed_dim=TIME_DIM,
        projection_class_embeddings_input_dim=PROJECTION + 6 * TIME_DIM,
    )
    UNet2DConditionModel(
        sample_size=SAMPLE_SIZE,
        block_out_channels=model["channels"],
        down_block_types=attends,
        up_block_types=[kind.replace("Down", "Up") for kind in reversed(attends)],
        layers_per_block=model["layers"],
        transformer_layers_per_block=[depth or 1 for depth in model["depths"][:-1]] + [model["middle"]],
        cross_attention_dim=WIDTH + SECOND_WIDTH if is_xl else WIDTH,
        attention_head_dim=model["heads"],
        use_linear_projection=model["is_linear"],
        **(added if is_xl else {}),
    ).save_config(folder / "unet")
    AutoencoderKL(
        block_out_channels=VAE,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1,
        sample_size=2 * SAMPLE_SIZE,
        scaling_factor=model["vae"],
    ).save_config(folder / "vae")
    def text(part, act, kind, width=WIDTH, **others):
        config = CLIPTextConfig(
            vocab_size=VOCABULARY,
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=LAYERS,
            num_attention_heads=width // 64,
            hidden_act=act,
            eos_token_id=2,
            **others,
        )
        config.architectures = [kind]
        config.save_pretrained(folder / part)
    text("text_encoder", "gelu" if name == "sd2" else "quick_gelu", "CLIPTextModel")
    write_vocabulary(folder / "tokenizer", "!" if name == "sd2" else END)
    second = {}
    if is_xl:
        text("text_encoder_2", "gelu", "CLIPTextModelWithProjection", SECOND_WIDTH, projection_dim=PROJECTION)
        write_vocabulary(folder / "tokenizer_2", "!")
        second = {
            "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
            "tokenizer_2": ["transformers", "CLIPTokenizer"],
            "force_zeros_for_empty_prompt": True,
        }
    scheduler = dict(clip_sample=False, set_alpha_to_one=False, prediction_type=prediction)
    diffusers.DDIMScheduler(**BETAS, **scheduler).save_config(folder / "scheduler")
    index = {
        "_class_name": "StableDiffusionXLPipeline" if is_xl else "StableDiffusionPipeline",
        "_diffusers_version": diffusers.__version__,
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        **second,
    }
    (folder / "model_index.json").write_text(json.dumps(index))


def require_all_used(pipeline, name, tensors):
    """Count and sum: every number of the networks must be one of the file, and none may be left over but those that nothing uses."""
    parts = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    total = lambda tensors: np.array([(tensor.numel(), tensor.double().abs().sum()) for tensor in tensors]).sum(axis=0)
    loaded = total(parameter.detach() for part in parts for parameter in part.parameters())
    held = total(
        tensor
        for key, tensor in tensors.items()
        if key not in EXTRAS[name]
        # What the pipeline of SD 2.x leaves out.
        and not (name == "sd2" and (f"resblocks.{LAYERS}." in key or key.endswith("text_projection")))
    )
    assert np.allclose(loaded, held, rtol=1e-9), f"{name}: {loaded} loaded, {held} in the file (count, sum)"


# Parameters of the published UNets, VAE and text encoders, as diffusers and transformers build them.
COUNTS = {
    "sd1": {"model.diffusion_model.": 859_520_964, "first_stage_model.": 83_653_863, "cond_stage_model.": 123_060_480},
    "sd2": {"model.diffusion_model.": 865_910_724, "first_stage_model.": 83_653_863},
    "sdxl": {
        "model.diffusion_model.": 2_567_463_684,
        "first_stage_model.": 83_653_863,
        "conditioner.embedders.0.": 123_060_480,
        "conditioner.embedders.1.": 694_659_840,
    },
}


def published_shapes():
    """Names and shapes of whole files, from the same layout at the sizes of v1-inference.yaml, v2-inference-v.yaml, sd_xl_base.yaml."""
    wide, autoencoder = (320, 640, 1280, 1280), lambda: vae((128, 256, 512, 512), 2)
    parts = {
        "sd1": [unet(wide, 2, (1, 1, 1, 0), 1, 768, False), autoencoder(), clip(768, 12)],
        "sd2": [unet(wide, 2, (1, 1, 1, 0), 1, 1024, True), autoencoder(), open_clip(1024, 24, 1024)],
        "sdxl": [
            unet(wide[:3], 2, (0, 2, 10), 10, 2048, True, 2816),
            autoencoder(),
            clip(768, 12),
            open_clip(1280, 32, 1280),
        ],
    }
    prefixes = {
        "sd1": ["model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer."],
        "sd2": ["model.diffusion_model.", "first_stage_model.", "cond_stage_model.model."],
        "sdxl": [
            "model.diffusion_model.",
            "first_stage_model.",
            "conditioner.embedders.0.transformer.",
            "conditioner.embedders.1.model.",
        ],
    }
    shapes = {
        name: {prefix + key: shape for prefix, part in zip(prefixes[name], parts[name]) for key, shape in part}
        for name in parts
    }
    for name, counts in COUNTS.items():
        for prefix, wanted in counts.items():
            count = sum(int(np.prod(shape)) for key, shape in shapes[name].items() if key.startswith(prefix))
            assert count == wanted, f"{name} {prefix}: {count} numbers instead of {wanted}"
    return shapes


def main():
    torch.use_deterministic_algorithms(True)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    noise = load_file(ROOT / "test" / "fixtures" / "stable-diffusion" / "noise.safetensors")
    pictures, cases = {}, {}
    for name, prediction in [("sd1", "epsilon"), ("sd2", "v_prediction"), ("sd2", "epsilon"), ("sdxl", "epsilon")]:
        with tempfile.TemporaryDirectory() as place:
            folder = pathlib.Path(place) / "configs"
            write_configs(folder, name, prediction)
            tensors = checkpoint(name)
            side = 2 * SAMPLE_SIZE
            data = save(tensors, {"modelspec.resolution": f"{side}x{side}"})
            path = pathlib.Path(place) / f"{name}.safetensors"
            path.write_bytes(data)
            (OUTPUT / f"{name}.safetensors.br").write_bytes(brotli.compress(data, quality=9, lgwin=24))
            kind = StableDiffusionXLPipeline if name == "sdxl" else StableDiffusionPipeline
            pipeline = kind.from_single_file(str(path), config=str(folder), local_files_only=True)
            require_all_used(pipeline, name, tensors)
            pipeline.scheduler = RecordedNoise.from_config(pipeline.scheduler.config)
            pipeline.set_progress_bar_config(disable=True)
            case = f"{name} {prediction}"
            pictures[case] = draw(pipeline, noise, 3.0, 1.0, None)
            cases[case] = {"checkpoint": name, "prediction": prediction}
            spread = (pictures[case].std(), pictures[case].min(), pictures[case].max())
            print(case, len(data), [round(float(value), 3) for value in spread])
    text = json.dumps(published_shapes(), separators=(",", ":")).encode()
    (OUTPUT / "shapes.json.br").write_bytes(brotli.compress(text))
    with tempfile.TemporaryDirectory() as place:
        ids = {}
        for pad in (END, "!"):
            tokenizer = write_vocabulary(pathlib.Path(place) / f"pad-{len(pad)}", pad)
            ids[pad] = tokenizer(TEXTS, padding="max_length", max_length=POSITIONS, truncation=True).input_ids
    # Padding repeats the last id.
    short = lambda row: row[: len(row) - next(i for i, token in enumerate(reversed(row)) if token != row[-1]) + 1]
    tokens = {"texts": TEXTS, **{pad: [short(row) for row in rows] for pad, rows in ids.items()}}
    (OUTPUT / "clip-ids.json").write_text(json.dumps(tokens, ensure_ascii=False) + "\n")
    versions = {module.__name__: module.__version__ for module in (torch, diffusers, transformers)}
    about = dict(prompts=PROMPTS, numSteps=NUM_STEPS, seed=SEED, cases=cases, versions=versions)
    save_file(pictures, OUTPUT / "pictures.safetensors", {"about": json.dumps(about)})


if __name__ == "__main__":
    sys.exit(main())

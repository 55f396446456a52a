"""Writes test/fixtures/network-variants.json: networks beside those of Stable Diffusion, and what diffusers computes with them.

No weights are stored: both sides make them by one formula (`numbers`, which test/fixtures/formula-numbers.ts repeats), a
network's in the order of their names. Outputs are computed in double precision.

    python tools/reference/network_variants.py [output file]
"""

import json
import pathlib
import sys

import diffusers
import numpy
import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel

SMALL = {"sample_size": 8, "in_channels": 4, "out_channels": 4, "norm_num_groups": 4, "attention_head_dim": 4}
CROSS = {"down_block_types": ("CrossAttnDownBlock2D",) * 2, "up_block_types": ("CrossAttnUpBlock2D",) * 2}
UNETS = {
    # BK-SDM-tiny and segmind/tiny-sd.
    "no mid block": {
        **CROSS, "block_out_channels": (8, 16), "layers_per_block": 1, "mid_block_type": None, "cross_attention_dim": [12, 12],
    },
    # segmind/SSD-1B and Segmind-Vega.
    "transformers of their own for each layer": {
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "block_out_channels": (8, 8, 16), "layers_per_block": 2, "mid_block_type": "UNetMidBlock2D", "cross_attention_dim": 12,
        "transformer_layers_per_block": [1, [2, 1], [1, 2]],
        "reverse_transformer_layers_per_block": [[1, 2, 1], [2, 1, 1], 1], "use_linear_projection": True,
    },
    "a list for the deepest block, and a mid block": {
        **CROSS, "block_out_channels": (8, 16), "layers_per_block": 1, "cross_attention_dim": 12,
        "transformer_layers_per_block": [1, [2]], "reverse_transformer_layers_per_block": [[1, 2], 1],
    },
    "time scales and shifts": {
        **CROSS, "block_out_channels": (8, 16), "layers_per_block": 1, "cross_attention_dim": 12,
        "resnet_time_scale_shift": "scale_shift",
    },
}
# TAESD with fewer channels, and with what its config can say beside.
DECODERS = {
    "TAESD": {"decoder_block_out_channels": (8,) * 4, "encoder_block_out_channels": (8,) * 4},
    "three resolutions, another activation": {
        "decoder_block_out_channels": (8,) * 3, "num_decoder_blocks": (1, 2, 1), "act_fn": "silu", "scaling_factor": 0.5,
        "latent_channels": 4,
    },
}


def numbers(count, seed):
    """Numbers in [-0.5, 0.5) that need no generator: the finalizer of MurmurHash3 over their places."""
    x = numpy.arange(count, dtype=numpy.uint64) + numpy.uint64((seed * 0x9E3779B9) % 2**32)
    mask = numpy.uint64(0xFFFFFFFF)
    x &= mask
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x ^= x >> numpy.uint64(shift)
        x = (x * numpy.uint64(factor)) & mask
    x ^= x >> numpy.uint64(16)
    return x.astype(numpy.float64) / 2**32 - 0.5


def made(shape, seed, scale):
    """In single precision, as files hold them."""
    values = (numbers(int(numpy.prod(shape)), seed) * scale).astype(numpy.float32)
    return torch.from_numpy(values.reshape(shape)).double()


def fill(model):
    state = model.state_dict()
    for name in [name for name in state if name.startswith("encoder.")]:
        del state[name]
    for seed, name in enumerate(sorted(state)):
        shape = tuple(state[name].shape)
        scale = 0.4 if len(shape) == 1 else 3 / numpy.sqrt(numpy.prod(shape[1:]))
        state[name] = made(shape, seed, scale) + (1 if len(shape) == 1 and name.endswith(".weight") else 0)
    rounded = {name: value.to(torch.float32).double() for name, value in state.items()}
    model.double().eval().load_state_dict(rounded, strict=False)
    return {name: list(value.shape) for name, value in sorted(state.items())}


def case(model, call):
    shapes = fill(model)
    with torch.no_grad():
        output = call(model)
    config = {"_class_name": type(model).__name__, **{k: v for k, v in model.config.items() if not k.startswith("_")}}
    return {
        "config": config,
        "weights": shapes,
        "output": [float(f"{value:.7g}") for value in output.flatten().tolist()],
        "shape": list(output.shape),
    }


def unet_output(model):
    sample, context = made((2, 4, 8, 8), 1001, 4), made((2, 3, 12), 1002, 4)
    return model(sample, torch.tensor([981.0, 21.0], dtype=torch.float64), encoder_hidden_states=context).sample


def main(output="test/fixtures/network-variants.json"):
    content = {
        "diffusers": diffusers.__version__,
        "torch": torch.__version__,
        "unets": {name: case(UNet2DConditionModel(**{**SMALL, **keys}), unet_output) for name, keys in UNETS.items()},
        "decoders": {
            name: case(AutoencoderTiny(**keys), lambda m: m.decode(made((1, 4, 3, 2), 1001, 12) / m.config.scaling_factor).sample)
            for name, keys in DECODERS.items()
        },
    }
    pathlib.Path(output).write_text(json.dumps(content) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

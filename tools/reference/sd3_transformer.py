"""Writes test/fixtures/sd3-transformer.json: transformers of SD 3 and SD 3.5, and what diffusers computes with them.

No weights are stored: both sides make them by one formula, as in network_variants.py, all of them other than zero. Outputs
are those of five timesteps, one after the other, in double precision; the latents are no square, smaller than the table
of positions, and off its middle by half a token in one direction.

    python tools/reference/sd3_transformer.py [output file]
"""

import json
import pathlib
import sys

import diffusers
import torch
from diffusers import SD3Transformer2DModel
from network_variants import fill, made

TIMESTEPS = [1000.0, 876.5, 500.0, 123.25, 3.0]
SMALL = {
    "sample_size": 8, "patch_size": 2, "in_channels": 6, "out_channels": 6,
    "attention_head_dim": 8, "num_attention_heads": 2,
    "joint_attention_dim": 20, "caption_projection_dim": 16, "pooled_projection_dim": 12, "pos_embed_max_size": 7,
}
VARIANTS = {
    # SD 3 medium.
    "no norms of heads": {"num_layers": 2},
    # SD 3.5 medium; large has no second attention.
    "norms of heads, and some blocks with a second attention": {
        "num_layers": 3, "qk_norm": "rms_norm", "dual_attention_layers": (0, 2),
    },
}


def outputs(model):
    sample = made((2, 6, 8, 4), 1001, 4)
    context, pooled = made((2, 5, 20), 1002, 4), made((2, 12), 1003, 4)
    run = lambda timestep: model(
        hidden_states=sample,
        timestep=torch.full((2,), timestep, dtype=torch.float64),
        encoder_hidden_states=context,
        pooled_projections=pooled,
    ).sample
    return torch.stack([run(timestep) for timestep in TIMESTEPS])


def main(output="test/fixtures/sd3-transformer.json"):
    content = {"diffusers": diffusers.__version__, "torch": torch.__version__, "timesteps": TIMESTEPS, "variants": {}}
    for name, keys in VARIANTS.items():
        model = SD3Transformer2DModel(**SMALL, **keys)
        shapes = fill(model)
        config = {key: value for key, value in model.config.items() if not key.startswith("_")}
        with torch.no_grad():
            values = outputs(model).flatten().tolist()
        content["variants"][name] = {
            "config": {"_class_name": "SD3Transformer2DModel", "_diffusers_version": diffusers.__version__, **config},
            "weights": shapes,
            "output": [float(f"{value:.7g}") for value in values],
        }
    pathlib.Path(output).write_text(json.dumps(content) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

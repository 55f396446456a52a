"""Writes test/fixtures/sgm-names.json: the modules of a UNet under the names of SGM (and LDM before it), and in diffusers.

The layouts are those of Stable Diffusion 1.x and of SDXL, with one transformer block a level and 32 channels. The pairs are what
diffusers' own conversion of single-file checkpoints makes of the names on the left; every weight of a UNet of this layout is among
them.

    python tools/reference/sgm_names.py [output file]
"""

import json
import pathlib
import sys

from diffusers import UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

CROSS, PLAIN = "CrossAttnDownBlock2D", "DownBlock2D"
LAYOUTS = {
    "sd1": dict(down_block_types=(CROSS, CROSS, CROSS, PLAIN)),
    "sdxl": dict(
        down_block_types=(PLAIN, CROSS, CROSS),
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=64,
    ),
}
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
OUTSIDE = {
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}


def unet(down_block_types, **settings):
    up = tuple(name.replace("Down", "Up") for name in reversed(down_block_types))
    return UNet2DConditionModel(
        block_out_channels=(32, 64, 64, 64)[: len(down_block_types)],
        down_block_types=down_block_types,
        up_block_types=up,
        cross_attention_dim=16,
        attention_head_dim=8,
        **settings,
    )


def original(model):
    """The names on the left, as the entries of its lists lie: layers, then what changes the resolution."""
    names = []
    modules = {name for name, module in model.named_modules() if getattr(module, "weight", None) is not None}

    def place(prefix, path):
        for name in sorted(modules):
            if name.startswith(f"{path}."):
                rest = name.removeprefix(f"{path}.")
                names.append(f"{prefix}.{RESNET.get(rest, rest)}")

    def side(title, blocks, resampler):
        entry = 1 if title == "input_blocks" else 0
        for block in blocks:
            path = next(name for name, module in model.named_modules() if module is block)
            for layer in range(len(block.resnets)):
                place(f"{title}.{entry}.0", f"{path}.resnets.{layer}")
                attentions = getattr(block, "attentions", None)
                if attentions:
                    place(f"{title}.{entry}.1", f"{path}.attentions.{layer}")
                entry += 1
            if getattr(block, resampler, None):
                if title == "input_blocks":
                    names.append(f"{title}.{entry}.0.op")
                    entry += 1
                else:
                    names.append(f"{title}.{entry - 1}.{2 if attentions else 1}.conv")

    names += [theirs for ours, theirs in OUTSIDE.items() if ours in modules]
    side("input_blocks", model.down_blocks, "downsamplers")
    for index, path in enumerate(["mid_block.resnets.0", "mid_block.attentions.0", "mid_block.resnets.1"]):
        place(f"middle_block.{index}", path)
    side("output_blocks", model.up_blocks, "upsamplers")
    return names, modules


def pairs(settings):
    model = unet(**settings)
    names, modules = original(model)
    checkpoint = {}
    for name in names:
        checkpoint[f"model.diffusion_model.{name}.weight"] = checkpoint[f"model.diffusion_model.{name}.bias"] = name
    converted = convert_ldm_unet_checkpoint(checkpoint, dict(model.config))
    found = {
        theirs: ours.removesuffix(".weight") for ours, theirs in converted.items() if ours.endswith(".weight")
    }
    assert set(found.values()) == modules, set(found.values()) ^ modules
    return {theirs: found[theirs] for theirs in names}


if __name__ == "__main__":
    default = pathlib.Path(__file__).parents[2] / "test/fixtures/sgm-names.json"
    content = {name: pairs(settings) for name, settings in LAYOUTS.items()}
    pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else default).write_text(json.dumps(content) + "\n")

#!/usr/bin/env bash
# diffusers 0.42.1: the steps_offset that a pipeline corrects is lost when its scheduler is exchanged, but only where the
# scheduler's file had left it out.
#
# Expected: StableDiffusionPipeline sets steps_offset to 1, with a warning, and DDIMScheduler.from_config(
# pipe.scheduler.config), the documented way to exchange a scheduler, keeps it: two files that both mean 0 sample alike.
#
# Seen: a steps_offset of 0 that the file writes out stays 1 after the exchange. One that the file leaves out goes back to
# 0, because the config still lists the key among those that took their default. So the exchanged schedulers visit other
# timesteps (751, 501, ... and 750, 500, ...), though the pipelines before the exchange are equal.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  torch==2.15.0 diffusers==0.42.1 transformers==5.24.0 numpy

CUDA_VISIBLE_DEVICES="" "$folder/venv/bin/python" - 2>/dev/null <<'PYTHON'
import sys

import diffusers
from diffusers import DDIMScheduler, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel

unet = UNet2DConditionModel(
    sample_size=64,
    block_out_channels=(8,),
    norm_num_groups=4,
    layers_per_block=1,
    cross_attention_dim=8,
    attention_head_dim=4,
    down_block_types=("DownBlock2D",),
    up_block_types=("UpBlock2D",),
)


def exchanged(**written):
    """steps_offset in the pipeline, after the exchange, and the timesteps then."""
    scheduler = PNDMScheduler(beta_schedule="scaled_linear", skip_prk_steps=True, **written)
    pipe = StableDiffusionPipeline(None, None, None, unet, scheduler, None, None, None, requires_safety_checker=False)
    ddim = DDIMScheduler.from_config(pipe.scheduler.config)
    ddim.set_timesteps(4)
    return pipe.scheduler.config.steps_offset, ddim.config.steps_offset, ddim.timesteps.tolist()


seen = {"written as 0": exchanged(steps_offset=0), "left out": exchanged()}
expected = {
    "written as 0": (1, 1, [751, 501, 251, 1]),
    "left out": (1, 0, [750, 500, 250, 0]),
}
print("diffusers", diffusers.__version__)
for name, (before, after, timesteps) in seen.items():
    print(f"steps_offset {name}: {before} in the pipeline, {after} after the exchange, timesteps {timesteps}")
if seen != expected:
    sys.exit(f"this has changed: expected {expected}")
PYTHON

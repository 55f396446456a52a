#!/usr/bin/env bash
# DDIMScheduler of diffusers 0.42.1 steps to a noise level at which it does not call the network next.
#
# Expected: a step arrives at the timestep that comes next in `timesteps`, as DDPMScheduler's does with the same config, so
# that a network which predicts the noise exactly always sees noise of standard deviation 1.
#
# Seen: a step always goes 1000 // S training steps down, but with linspace spacing the timesteps are 999 / (S - 1) apart,
# and with trailing spacing 1000 / S, rounded.
#   linspace, 7 steps    arrives 24 or 25 training steps too high each time: in the last call the noise is 6 times what
#                        the timestep says
#   linspace, 30 steps   arrives 1 or 2 too high each time: 1.5 times in the last call
#   trailing, 7 or 30    arrives up to 1 too high
#   leading              arrives where the next call is, whatever S
#   DDPMScheduler        arrives there with every spacing
#
# Folders made for a DPM-Solver bring `timestep_spacing: linspace` along. Sampled with DDIM, their network sees pictures
# whose noise does not fit the timestep; with linspace no number of steps helps, with trailing one that divides 1000 does.
# Who trains on the steps of a sampler needs the level at which a step arrives, which is not that of the next timestep.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  torch==2.15.0 diffusers==0.42.1 transformers==5.24.0 numpy

CUDA_VISIBLE_DEVICES="" "$folder/venv/bin/python" - <<'PYTHON'
import sys

import diffusers
import torch
from diffusers import DDIMScheduler, DDPMScheduler

BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "num_train_timesteps": 1000}


def gaps(scheduler, steps):
    """How far above the next timestep each step but the last arrives, least and most."""
    scheduler.set_timesteps(steps)
    times = scheduler.timesteps.tolist()
    levels = [round(float(value), 6) for value in scheduler.alphas_cumprod]
    found = []
    for index, time in enumerate(times[:-1]):
        # A step from x_0 = 1 with no noise predicted arrives at sqrt(alpha_cumprod) of its level.
        sample = torch.full((1,), float(scheduler.alphas_cumprod[time]) ** 0.5, dtype=torch.float64)
        arrived = scheduler.step(torch.zeros(1, dtype=torch.float64), time, sample, **KEYWORDS[type(scheduler)])
        level = round(float(arrived.prev_sample) ** 2, 6)
        found.append(levels.index(min(levels, key=lambda one: abs(one - level))) - times[index + 1])
    return min(found), max(found)


KEYWORDS = {DDIMScheduler: {"eta": 0.0}, DDPMScheduler: {}}
seen = {}
for spacing in ("leading", "trailing", "linspace"):
    for steps in (7, 20, 30):
        config = {**BETAS, "timestep_spacing": spacing, "clip_sample": False}
        seen[f"DDIM {spacing} {steps}"] = gaps(DDIMScheduler(**config, set_alpha_to_one=False), steps)
        ddpm = DDPMScheduler(**config, variance_type="fixed_small")
        ddpm.set_timesteps(steps)
        times = ddpm.timesteps.tolist()
        arrivals = [int(ddpm.previous_timestep(torch.tensor(time))) for time in times[:-1]]
        offsets = [arrival - time for arrival, time in zip(arrivals, times[1:])]
        seen[f"DDPM {spacing} {steps}"] = (min(offsets), max(offsets))


def remaining(spacing, steps):
    """Noise that the network is shown in the last call, relative to what its timestep says, with exact predictions."""
    config = {**BETAS, "timestep_spacing": spacing, "clip_sample": False}
    scheduler = DDIMScheduler(**config, set_alpha_to_one=False)
    scheduler.set_timesteps(steps)
    picture, noise = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    level = scheduler.alphas_cumprod[scheduler.timesteps[0]]
    sample = level.sqrt() * picture + (1 - level).sqrt() * noise
    for time in scheduler.timesteps:
        level = scheduler.alphas_cumprod[time]
        shown = (sample - level.sqrt() * picture) / (1 - level).sqrt()
        sample = scheduler.step(shown, time, sample).prev_sample
    return round(float(shown), 2)


noise = {f"{spacing} {steps}": remaining(spacing, steps) for spacing in ("leading", "linspace") for steps in (7, 30)}
print("diffusers", diffusers.__version__)
for name, (least, most) in seen.items():
    print(f"{name}: arrives {least} to {most} above the next timestep")
for name, size in noise.items():
    print(f"DDIM {name}: noise in the last call {size} of what its timestep says")
expected = {
    "DDIM leading 7": (0, 0),
    "DDIM leading 20": (0, 0),
    "DDIM leading 30": (0, 0),
    "DDIM trailing 7": (0, 1),
    "DDIM trailing 20": (0, 0),
    "DDIM trailing 30": (0, 1),
    "DDIM linspace 7": (24, 25),
    "DDIM linspace 20": (2, 3),
    "DDIM linspace 30": (1, 2),
    **{f"DDPM {spacing} {steps}": (0, 0) for spacing in ("leading", "trailing", "linspace") for steps in (7, 20, 30)},
}
expected_noise = {"leading 7": 1.0, "leading 30": 1.0, "linspace 7": 6.05, "linspace 30": 1.55}
if seen != expected or noise != expected_noise:
    sys.exit(f"this has changed: expected {expected} and {expected_noise}")
PYTHON

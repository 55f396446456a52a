#!/usr/bin/env bash
# FlowMatchEulerDiscreteScheduler of diffusers 0.42.1 has three schedules for one shift and one number of steps.
#
# Expected: a shift of 3 and 10 steps mean the same noise levels, however they are said, and a scheduler that was saved and
# loaded samples as before.
#
# Seen:
#   FlowMatchEulerDiscreteScheduler(shift=3)                 last level 0.00893: the least level is shifted in the
#                                                            constructor and again in set_timesteps(10)
#   FlowMatchEulerDiscreteScheduler(), then set_shift(3)     last level 0.00299: it is shifted once
#   set_timesteps(sigmas=linspace(1, 1/10, 10)), shift 3     last level 0.25, as the FLUX pipelines call it
#   set_shift(3), save_pretrained, from_pretrained           shift 1 again: levels equally spaced, without a word
#
# So the noise that the last step removes differs by a factor of 3 to 84 between ways to ask for one schedule. Who trains
# on one and samples with another trains other steps than those that are taken.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  torch==2.15.0 diffusers==0.42.1 transformers==5.24.0 numpy

CUDA_VISIBLE_DEVICES="" "$folder/venv/bin/python" - "$folder/saved" <<'PYTHON'
import sys

import diffusers
import numpy
from diffusers import FlowMatchEulerDiscreteScheduler

STEPS, SHIFT = 10, 3.0


def last_level(scheduler, **how):
    scheduler.set_timesteps(**(how or {"num_inference_steps": STEPS}))
    return round(float(scheduler.sigmas[-2]), 5)


set_later = FlowMatchEulerDiscreteScheduler()
set_later.set_shift(SHIFT)
set_later.save_pretrained(sys.argv[1])
loaded = FlowMatchEulerDiscreteScheduler.from_pretrained(sys.argv[1])
equally_spaced = numpy.linspace(1, 1 / STEPS, STEPS)

seen = {
    "shift in the constructor": last_level(FlowMatchEulerDiscreteScheduler(shift=SHIFT)),
    "shift by set_shift": last_level(set_later),
    "shift in the constructor, sigmas given": last_level(
        FlowMatchEulerDiscreteScheduler(shift=SHIFT), sigmas=equally_spaced
    ),
    "set_shift, saved and loaded": last_level(loaded),
}
expected = {
    "shift in the constructor": 0.00893,
    "shift by set_shift": 0.00299,
    "shift in the constructor, sigmas given": 0.25,
    "set_shift, saved and loaded": 0.001,
}
print("diffusers", diffusers.__version__)
for way, level in seen.items():
    print(f"{way}: last noise level {level}")
print("shift before and after saving:", set_later.shift, loaded.shift)
if seen != expected or loaded.shift == SHIFT:
    sys.exit(f"this has changed: expected {expected}")
PYTHON

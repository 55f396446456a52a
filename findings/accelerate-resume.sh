#!/usr/bin/env bash
# accelerate 1.15.0: a checkpoint keeps how many micro-batches were accumulated, and not what they accumulated.
#
# Expected: after save_state in the midst of an accumulation and load_state in a new process, the next optimizer step is
# the one that would have been taken: the mean gradient of all micro-batches. Or the accumulation begins anew.
#
# Seen: the counter of micro-batches goes on where it was, and the gradients begin at zero. With 4 micro-batches a step and
# a checkpoint after 3, the first step after the resume is made of one micro-batch, and is still divided by 4: a quarter
# of the mean, a quarter of the step, without a word. Whoever trains by policy gradient takes that step on 1 of 4 samples.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.15.0 accelerate==1.15.0 numpy

cat >"$folder/steps.py" <<'PYTHON'
"""Accumulates gradients of w x over x = 1, 2, 3, 4, so that a whole step moves w by -2.5 times the rate of 1."""
import sys

import accelerate
import torch

what, checkpoint = sys.argv[1:]
accelerator = accelerate.Accelerator(gradient_accumulation_steps=4, cpu=True)
model = torch.nn.Linear(1, 1, bias=False)
torch.nn.init.zeros_(model.weight)
model, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=1.0))


def micro_batch(x):
    with accelerator.accumulate(model):
        accelerator.backward(model(torch.tensor([[float(x)]])).sum())
        optimizer.step()
        optimizer.zero_grad()
    return accelerator.sync_gradients


if what == "resume":
    accelerator.load_state(checkpoint)
    inputs = [4]
else:
    inputs = [1, 2, 3] if what == "save" else [1, 2, 3, 4]
stepped = [micro_batch(x) for x in inputs]
if what == "save":
    accelerator.save_state(checkpoint)
print(f"{what}: steps taken after {stepped}, weight {accelerator.unwrap_model(model).weight.item()}")
PYTHON

run() { CUDA_VISIBLE_DEVICES="" "$folder/venv/bin/python" "$folder/steps.py" "$1" "$folder/checkpoint" 2>/dev/null; }
seen=$(run whole; run save; run resume)
echo "accelerate 1.15.0"
echo "$seen"
expected="whole: steps taken after [False, False, False, True], weight -2.5
save: steps taken after [False, False, False], weight 0.0
resume: steps taken after [True], weight -1.0"
[ "$seen" = "$expected" ] || {
  echo "this has changed: expected"
  echo "$expected"
  exit 1
}

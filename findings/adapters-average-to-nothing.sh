#!/usr/bin/env bash
# add_weighted_adapter of PEFT 0.21.2 with combination_type="linear" adds the factors of adapters, not what they do.
#
# Expected: the mean of two adapters that change a layer alike changes it like each of them.
#
# Seen, for the change B A of one layer, relative to the weighted sum of the changes:
#   linear, an adapter and the same with the signs of A and B turned       the mean changes nothing: error 1
#   linear, an adapter and the same with its ranks in another order        error 1.0: another change altogether
#   linear, two adapters that were trained apart, weights 0.5 and 0.5      error 0.98
#   svd, the same two, at their own rank (the default)                     error 0.25: what the rank has no room for
#   cat                                                                    exact, at the sum of the ranks
#   set_adapter([...]), both active at once                                exact
#
# For (sqrt(w) B1 + sqrt(w) B2)(sqrt(w) A1 + sqrt(w) A2) has the cross terms B1 A2 and B2 A1, and a factorization is not
# unique. Who averages adapters of several seeds or of several checkpoints by their factors gets a result that depends on
# the accident of their signs; "dare_linear" and "magnitude_prune" do the same.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.15.0 peft==0.21.2 transformers==5.24.0 numpy

CUDA_VISIBLE_DEVICES="" "$folder/venv/bin/python" - <<'PYTHON'
import sys

import peft
import torch
from peft import LoraConfig, get_peft_model

RANK = 2


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.project = torch.nn.Linear(8, 8, bias=False)

    def forward(self, x):
        return self.project(x)


def config():
    return LoraConfig(r=RANK, lora_alpha=RANK, target_modules=["project"], init_lora_weights=False)


torch.manual_seed(0)
model = get_peft_model(Layer(), config(), adapter_name="first")
for name in ("second", "turned", "reordered"):
    model.add_adapter(name, config())
layer = model.base_model.model.project
with torch.no_grad():
    first_a, first_b = layer.lora_A["first"].weight, layer.lora_B["first"].weight
    layer.lora_A["turned"].weight.copy_(-first_a)
    layer.lora_B["turned"].weight.copy_(-first_b)
    layer.lora_A["reordered"].weight.copy_(first_a.flip(0))
    layer.lora_B["reordered"].weight.copy_(first_b.flip(1))


def error(names, **how):
    wanted = sum(0.5 * layer.get_delta_weight(name).detach() for name in names)
    if how:
        model.add_weighted_adapter(list(names), [0.5, 0.5], "mean", **how)
        got = layer.get_delta_weight("mean").detach()
        model.delete_adapter("mean")
    else:
        model.base_model.set_adapter(list(names))
        eye = torch.eye(8)
        with torch.no_grad():
            got = 0.5 * (layer(eye) - layer.base_layer(eye)).T
    return round(((got - wanted).norm() / wanted.norm()).item(), 2)


apart = ("first", "second")
seen = {
    "linear, signs turned": error(("first", "turned"), combination_type="linear"),
    "linear, ranks reordered": error(("first", "reordered"), combination_type="linear"),
    "linear, trained apart": error(apart, combination_type="linear"),
    "svd, trained apart": error(apart, combination_type="svd"),
    "cat, trained apart": error(apart, combination_type="cat"),
    "both active": error(apart),
}
print("peft", peft.__version__)
expected = {
    "linear, signs turned": 1.0,
    "linear, ranks reordered": 1.0,
    "linear, trained apart": 0.98,
    "svd, trained apart": 0.25,
    "cat, trained apart": 0.0,
    "both active": 0.0,
}
for way, number in seen.items():
    print(f"  {way}: {number}")
sys.exit(0 if seen == expected else "expected " + str(expected))
PYTHON

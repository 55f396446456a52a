#!/usr/bin/env bash
# The strength of a DoRA adapter means something else in PEFT 0.21.2 and in LyCORIS 4.1.3, and a strength of 0 turns it off
# in neither.
#
# Expected: at strength s a layer has W + s (W' - W), where W' is the trained one, as it is for LoRA: nothing at 0, half of the
# change at 1/2. Both programs agree at 1.
#
# Seen, with W' = m (W + B A) / |W + B A| by rows, as the size of the change in the layer relative to W' - W, and how far it is
# from s (W' - W):
#   s = 1     both are W'
#   s = 1/2   PEFT 0.75 and 0.35 from half of the change, LyCORIS 0.87 and 0.40
#   s = 0     PEFT 0.61: m W / |W|, the trained magnitudes on the old directions
#             LyCORIS 0.80: W + B A, the new directions with the whole change of LoRA
#
# For PEFT scales B A, under the norm too, and always applies m; LyCORIS always applies B A, and scales m / |W + B A| - 1. Who
# takes an adapter out by strength 0, compares strengths, or takes the mean of two adapters by weights of 1/2, has in mind what
# neither computes. disable_adapter() of PEFT gives W.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  torch==2.15.0 peft==0.21.2 transformers==5.24.0 lycoris-lora==4.1.3 numpy

CUDA_VISIBLE_DEVICES="" "$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import torch
from lycoris.modules.locon import LoConModule
from peft import LoraConfig, get_peft_model

SIZE, RANK = 16, 4
torch.manual_seed(0)
base = torch.nn.Linear(SIZE, SIZE, bias=False)
weight = base.weight.detach().clone()
down, up = torch.randn(RANK, SIZE) / SIZE**0.5, 0.15 * torch.randn(SIZE, RANK)
changed = weight + up @ down
magnitude = weight.norm(dim=1) * (1.2 + 0.3 * torch.rand(SIZE))
trained = magnitude[:, None] * changed / changed.norm(dim=1, keepdim=True)
eye = torch.eye(SIZE)


class Holder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.project = torch.nn.Linear(SIZE, SIZE, bias=False)
        self.project.weight.data.copy_(weight)


config = LoraConfig(r=RANK, lora_alpha=RANK, target_modules=["project"], use_dora=True)
model = get_peft_model(Holder(), config).eval()
layer = model.base_model.model.project
layer.lora_A["default"].weight.data.copy_(down)
layer.lora_B["default"].weight.data.copy_(up)
layer.lora_magnitude_vector["default"].weight.data.copy_(magnitude)


@torch.no_grad()
def peft_at(strength):
    layer.set_scale("default", strength)
    return layer(eye).T


own = torch.nn.Linear(SIZE, SIZE, bias=False)
own.weight.data.copy_(weight)
module = LoConModule("project", own, lora_dim=RANK, alpha=RANK, weight_decompose=True).eval()
module.lora_down.weight.data.copy_(down)
module.lora_up.weight.data.copy_(up)
module.dora_scale.data.copy_(magnitude[:, None])
module.apply_to()


@torch.no_grad()
def lycoris_at(strength):
    module.multiplier = strength
    return own(eye).T


def seen(at, strength):
    change, whole = at(strength) - weight, trained - weight
    size = (change.norm() / whole.norm()).item()
    off = ((change - strength * whole).norm() / whole.norm()).item()
    return round(size, 2), round(off, 2)


print("peft", version("peft"), "lycoris-lora", version("lycoris-lora"), "torch", version("torch"))
found = {(name, s): seen(at, s) for name, at in (("peft", peft_at), ("lycoris", lycoris_at)) for s in (1, 0.5, 0)}
for (name, strength), (size, off) in found.items():
    print(f"  {name}, strength {strength}: the change is {size} of the whole, {off} from its share")
on_old = magnitude[:, None] * weight / weight.norm(dim=1, keepdim=True)
print("  peft, strength 0, from m W / |W|:", round((peft_at(0) - on_old).norm().item(), 4))
print("  lycoris, strength 0, from W + B A:", round((lycoris_at(0) - changed).norm().item(), 4))
with model.disable_adapter(), torch.no_grad():
    print("  peft, disable_adapter(), from W:", round((layer(eye).T - weight).norm().item(), 4))
EXPECTED = {
    ("peft", 1): (1.0, 0.0),
    ("peft", 0.5): (0.75, 0.35),
    ("peft", 0): (0.61, 0.61),
    ("lycoris", 1): (1.0, 0.0),
    ("lycoris", 0.5): (0.87, 0.4),
    ("lycoris", 0): (0.8, 0.8),
}
sys.exit(0 if found == EXPECTED else "expected " + str(EXPECTED))
PYTHON

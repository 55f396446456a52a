#!/usr/bin/env bash
# diffusers 0.42.1 reads the queries, keys and values of a text encoder's LoRA under kohya's names only where the file has an
# output projection too.
#
# Expected: each layer of the file is loaded, or the file is refused: kohya's names say the layer, and which others there are
# does not matter. Adapters of queries and values alone, or of these and the MLP, are common: they are what a pattern of
# q_proj and v_proj trains.
#
# Seen, for a CLIP text encoder of two layers:
#   q, k, v, out, MLP   all 12 layers are loaded
#   q, v, MLP           the 4 of the MLP are loaded, and the 4 of attention are not; a warning names them as unexpected keys
#   q, v                ValueError: Could not automatically infer state dict type
#
# For kohya's names are first turned into those of diffusers' old attention processors (to_q_lora and so on), which a second
# function recognizes by one of them, to_out_lora; without it the file counts as a newer form, whose q_proj it does not have.
# The load goes on, so pictures come out at a part of the adapter's strength.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  torch==2.15.0 diffusers==0.42.1 transformers==5.24.0 peft==0.21.2 accelerate numpy

CUDA_VISIBLE_DEVICES="" "$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

import torch
from diffusers.loaders import StableDiffusionLoraLoaderMixin as Loader
from transformers import CLIPTextConfig, CLIPTextModel

LAYERS, WIDTH, HIDDEN, RANK = 2, 32, 64, 4
SIZES = {
    **{f"self_attn_{part}_proj": (WIDTH, WIDTH) for part in ("q", "k", "v", "out")},
    "mlp_fc1": (WIDTH, HIDDEN),
    "mlp_fc2": (HIDDEN, WIDTH),
}
FILES = {
    "q, k, v, out, MLP": list(SIZES),
    "q, v, MLP": ["self_attn_q_proj", "self_attn_v_proj", "mlp_fc1", "mlp_fc2"],
    "q, v": ["self_attn_q_proj", "self_attn_v_proj"],
}


def kohya_file(names):
    tensors = {}
    for layer in range(LAYERS):
        for name in names:
            inputs, outputs = SIZES[name]
            key = f"lora_te_text_model_encoder_layers_{layer}_{name}"
            tensors[f"{key}.lora_down.weight"] = torch.randn(RANK, inputs)
            tensors[f"{key}.lora_up.weight"] = torch.randn(outputs, RANK)
            tensors[f"{key}.alpha"] = torch.tensor(float(RANK))
    return tensors


def loaded(names):
    encoder = CLIPTextModel(
        CLIPTextConfig(
            hidden_size=WIDTH, intermediate_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=4
        )
    )
    try:
        tensors, alphas = Loader.lora_state_dict(kohya_file(names))
        Loader.load_lora_into_text_encoder(tensors, network_alphas=alphas, text_encoder=encoder, prefix="text_encoder")
    except ValueError as error:
        return str(error)
    return sum("lora_B" in name for name, _ in encoder.named_parameters())


torch.manual_seed(0)
print("diffusers", version("diffusers"), "transformers", version("transformers"), "peft", version("peft"))
found = {title: loaded(names) for title, names in FILES.items()}
for title, seen in found.items():
    print(f"  {title}: {LAYERS * len(FILES[title])} layers in the file, loaded: {seen}")
EXPECTED = {"q, k, v, out, MLP": 12, "q, v, MLP": 4, "q, v": "Could not automatically infer state dict type"}
sys.exit(0 if found == EXPECTED else "expected " + str(EXPECTED))
PYTHON

"""Writes test/fixtures/folder-readings.json: what transformers reads from folders of CLIP that lack something.

Text encoders are loaded by the class that a model_index.json names, as diffusers does, and embed a prompt. Tokenizers
say with which id they pad and how many ids they take; null where diffusers cannot pad with them.

    python tools/reference/folder_readings.py [output file]
"""

import json
import pathlib
import shutil
import sys
import tempfile

import torch
import transformers
from safetensors.torch import load_file, save_file

FIXTURES = pathlib.Path(__file__).parents[2] / "test/fixtures/stable-diffusion"
DROP = "(left out)"
PROMPT = "a photo of two cats"
# Folder, class of model_index.json, keys of the config, whether the file holds a whole CLIP.
ENCODERS = (
    ("sd1/text_encoder", "CLIPTextModel", {"architectures": DROP}, False),
    ("sd1/text_encoder", "CLIPTextModel", {"architectures": ["CLIPModel"]}, False),
    ("sd1/text_encoder", "CLIPTextModel", {}, True),
    ("sdxl/text_encoder_2", "CLIPTextModelWithProjection", {"architectures": DROP}, False),
    ("sdxl/text_encoder_2", "CLIPTextModelWithProjection", {"architectures": ["CLIPTextModel"]}, False),
)
# Keys of tokenizer_config.json and of special_tokens_map.json; null for a file that is left out.
TOKENIZERS = (
    ({"tokenizer_class": DROP}, {}),
    ({"tokenizer_class": None}, {}),
    ({"pad_token": None}, {}),
    ({"pad_token": None}, {"pad_token": None}),
    ({"pad_token": None}, None),
    ({"pad_token": None, "added_tokens_decoder": {}}, {}),
    ({"pad_token": DROP}, {"pad_token": DROP}),
    ({"model_max_length": int(1e30)}, {}),
    ({"model_max_length": DROP}, {}),
    (None, {}),
)
# More than this is no limit.
LARGE = 1e20


def edited(path, keys):
    if keys is None:
        return path.unlink()
    content = {key: value for key, value in {**json.loads(path.read_text()), **keys}.items() if value != DROP}
    path.write_text(json.dumps(content))


def copy(name):
    folder = pathlib.Path(tempfile.mkdtemp()) / "copy"
    shutil.copytree(FIXTURES / name, folder)
    return folder


def make_whole(folder):
    """Turns a text encoder into a CLIP of two halves."""
    path = folder / "config.json"
    text = {key: value for key, value in json.loads(path.read_text()).items() if key != "architectures"}
    path.write_text(json.dumps({"model_type": "clip", "architectures": ["CLIPModel"], "text_config": text, "vision_config": {}}))
    path = next(folder.glob("*.safetensors"))
    others = {"logit_scale": torch.ones(1), "vision_model.pre_layrnorm.weight": torch.ones(2), "text_projection.weight": torch.ones(3, 3)}
    save_file({**load_file(path), **others}, path, {"format": "pt"})


def encoder(name, class_name, keys, is_whole):
    folder = copy(name)
    edited(folder / "config.json", keys)
    if is_whole:
        make_whole(folder)
    variant = "fp16" if list(folder.glob("*.fp16.*")) else None
    model = getattr(transformers, class_name).from_pretrained(folder, variant=variant, dtype=torch.float32).eval()
    with torch.no_grad():
        tokens = transformers.CLIPTokenizer.from_pretrained(FIXTURES / name.replace("text_encoder", "tokenizer"))
        ids = tokens(PROMPT, padding="max_length", max_length=77, return_tensors="pt").input_ids
        found = model(ids, output_hidden_states=True)
    state = found.hidden_states[-2] if name.startswith("sdxl") else found.last_hidden_state
    return {
        "folder": name, "class": class_name, "keys": keys, "isWhole": is_whole,
        "state": [round(value, 5) for value in state[0, 3].tolist()],
    }


def tokenizer(keys, map_keys):
    folder = copy("sd1/tokenizer")
    edited(folder / "tokenizer_config.json", keys)
    edited(folder / "special_tokens_map.json", map_keys)
    found = transformers.CLIPTokenizer.from_pretrained(folder)
    most = found.model_max_length
    return {
        "config": keys, "map": map_keys, "padId": found.pad_token_id, "length": most if most < LARGE else None,
        "ids": found(PROMPT).input_ids,
    }


def main(output=FIXTURES.parent / "folder-readings.json"):
    content = {
        "transformers": transformers.__version__,
        "prompt": PROMPT,
        "encoders": [encoder(*case) for case in ENCODERS],
        "tokenizers": [tokenizer(*case) for case in TOKENIZERS],
    }
    pathlib.Path(output).write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

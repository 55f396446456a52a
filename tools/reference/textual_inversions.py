"""Writes test/fixtures/textual-inversions: embeddings of tokens in the forms in use, and what diffusers makes of them.

For the tiny pipelines of Stable Diffusion 1.x and SDXL (test/fixtures/stable-diffusion): the token ids of prompts after
`maybe_convert_prompt`, the embeddings of prompts, and pictures with a token in the prompt and one in the negative prompt.
Vectors are drawn from a seed. Files whose form diffusers does not take are given to it as tensors. Tokens of
several vectors are in lower case: with transformers 5 diffusers takes the first vector alone of any other.

    python tools/reference/textual_inversions.py [output folder]
"""

import json
import pathlib
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file

import pipeline_pictures
from pipeline_pictures import FIXTURES, NUM_STEPS, SEED, draw, open_pipeline

PROMPTS = [
    "a photo of <cat> riding a horse",
    "bad-art, two cats, oil on canvas! bad-art",
    "<cat><cat>, my<dog>s, a <DOG>!",
]
DRAWN = ["a photo of <cat> riding a horse", "two <cat> cats, <dog> on canvas!"]
NEGATIVE = "bad-art, blurry"
NAMES = {"sd1": [16], "sdxl": [16, 24]}


def vectors(generator, *shape):
    return torch.randn(*shape, generator=generator) * 0.7


def files(name, output):
    """Writes the files, and returns what diffusers is given of each: the token, and a table for each text encoder."""
    generator = torch.Generator().manual_seed(168)
    widths = NAMES[name]
    cat = [vectors(generator, 3, width) for width in widths]
    dog = vectors(generator, widths[0])
    negative = [vectors(generator, 1 if name == "sd1" else 2, width).half() for width in widths]
    if name == "sd1":
        content = {
            "cat": ({"<cat>": cat[0]}, "<cat>", cat),
            "dog": ({"<dog>": dog.bfloat16()}, "<dog>", [dog.bfloat16()]),
            "bad-art": ({"emb_params": negative[0]}, "bad-art", negative),
        }
    else:
        content = {
            "cat": ({"clip_l": cat[0], "clip_g": cat[1]}, "<cat>", cat),
            "dog": ({"<dog>": dog.bfloat16()}, "<dog>", [dog.bfloat16()]),
            "bad-art": ({"clip_l": negative[0], "clip_g": negative[1]}, "bad-art", negative),
        }
    for stem, (tensors, _, _) in content.items():
        (output / name).mkdir(parents=True, exist_ok=True)
        save_file(tensors, output / name / f"{stem}.safetensors")
    return [(token, tables) for _, token, tables in content.values()]


def load(pipeline, inversions):
    for token, tables in inversions:
        for suffix, table in zip(("", "_2"), tables):
            pipeline.load_textual_inversion(
                {token: table},
                text_encoder=getattr(pipeline, f"text_encoder{suffix}"),
                tokenizer=getattr(pipeline, f"tokenizer{suffix}"),
            )


def ids(pipeline, suffix):
    tokenizer = getattr(pipeline, f"tokenizer{suffix}")
    prompts = [pipeline.maybe_convert_prompt(prompt, tokenizer) for prompt in PROMPTS]
    return tokenizer(prompts, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids


def embeds(pipeline):
    with torch.no_grad():
        if hasattr(pipeline, "text_encoder_2"):
            tokens, _, pooled, _ = pipeline.encode_prompt(PROMPTS, device="cpu", do_classifier_free_guidance=False)
            return {"embeds": tokens, "pooled": pooled}
        return {"embeds": pipeline.encode_prompt(PROMPTS, "cpu", 1, False)[0]}


def main(output=FIXTURES / "textual-inversions"):
    output = pathlib.Path(output)
    torch.use_deterministic_algorithms(True)
    noise = load_file(FIXTURES / "stable-diffusion" / "noise.safetensors")
    pipeline_pictures.PROMPTS = DRAWN
    for name in NAMES:
        inversions = files(name, output)
        with tempfile.TemporaryDirectory() as folder:
            pipeline = open_pipeline(pathlib.Path(folder) / "model", name, {})
        shot = lambda: draw(pipeline, noise, 3.0, 1.0, NEGATIVE, None)
        tensors = {"plain": shot()}
        load(pipeline, inversions)
        tensors |= {"pictures": shot(), "ids": ids(pipeline, ""), **embeds(pipeline)}
        if name == "sdxl":
            tensors["ids2"] = ids(pipeline, "_2")
        print(name, (255 * (tensors["plain"] - tensors["pictures"]).abs().max()).item(), "levels apart")
        about = dict(prompts=PROMPTS, drawn=DRAWN, negative=NEGATIVE, numSteps=NUM_STEPS, seed=SEED)
        tensors = {key: value.contiguous() for key, value in tensors.items()}
        save_file(tensors, output / name / "expected.safetensors", {"about": json.dumps(about)})


if __name__ == "__main__":
    main(*sys.argv[1:])

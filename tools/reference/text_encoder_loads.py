"""Proves that diffusers loads what a run that trains text encoders leaves, and what `tributary export` makes of it.

Trains the preset sd15-ddpo-compressibility for one round on test/fixtures/stable-diffusion/sd1 and sdxl, with LoRA of UNet and text
encoders. The file of the run and its export under kohya's names are loaded with `load_lora_weights`; the adapted modules are counted, and
what UNet and text encoders give is compared with W + (alpha / rank) B A added by hand to the run's tensors.

    pip install -r tools/reference/requirements.txt   (a transformers that takes the installed PEFT, such as 5.23.0 with 0.21.2)
    npm run compile && python tools/reference/text_encoder_loads.py
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import diffusers
import peft
import torch
import transformers
from diffusers import DiffusionPipeline
from safetensors.torch import load_file

FOLDER = pathlib.Path(__file__).resolve().parents[2]
RANK, ALPHA = 2, 3
SETTINGS = [
    "engine={threads: 1, providers: [cpu]}",
    "model.lora=%s" % json.dumps(dict(pattern="attn2/to_[kv]|resnets", textEncoder="self_attn/(q|k|v|out)_proj|mlp/fc", rank=RANK, alpha=ALPHA)),
    "stages.prompts.groupsPerRound=2",
    "stages.prompts.numRounds=1",
    "stages.prompts.runAhead=2",
    "stages.schedule.steps=2",
    "stages.sampler.numInferenceSteps=3",
    "stages.sampler.groupsPerBatch=2",
    "stages.trainer.updates.samplesPerUpdate=2",
    # One update that shows.
    "stages.trainer.learningRate=0.05",
    "evaluation={trainPrompts: 1, heldOutPrompts: 1, imagesPerPrompt: 1}",
]


def tributary(*arguments):
    subprocess.run(["node", "dist/cli/main.js", *map(str, arguments)], check=True, cwd=FOLDER, stdout=subprocess.DEVNULL)


def open_pipeline(name):
    variant = "fp16" if name == "sdxl" else None
    pipeline = DiffusionPipeline.from_pretrained(FOLDER / "test/fixtures/stable-diffusion" / name, variant=variant, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def parts_of(pipeline):
    found = {name: getattr(pipeline, name, None) for name in ("unet", "text_encoder", "text_encoder_2")}
    return {name: part for name, part in found.items() if part is not None}


def merge_by_hand(pipeline, state):
    """W + alpha / rank B A, module by module; transformers 5 leaves out `text_model`."""
    parts = parts_of(pipeline)
    for name, a in state.items():
        if not name.endswith(".lora_A.weight"):
            continue
        component, _, path = name.removesuffix(".lora_A.weight").partition(".")
        modules = dict(parts[component].named_modules())
        module = modules.get(path) or modules[path.removeprefix("text_model.")]
        b = state[name.replace("lora_A", "lora_B")]
        delta = (b.double().flatten(1) @ a.double().flatten(1)).reshape(module.weight.shape)
        module.weight.data = (module.weight.double() + ALPHA / RANK * delta).float()


@torch.no_grad()
def outputs_of(pipeline):
    """The embeddings of a prompt, and a run of the UNet on them."""
    found = pipeline.encode_prompt("a photo of the cat", device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False)
    embeds, pooled = found[0], found[2] if len(found) > 2 else None
    added = None if pooled is None else {"text_embeds": pooled, "time_ids": torch.tensor([[16.0, 16, 0, 0, 16, 16]])}
    sample = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    output = pipeline.unet(sample, torch.tensor([700]), embeds, added_cond_kwargs=added).sample
    return {"embeds": embeds, "output": output, **({} if pooled is None else {"pooled": pooled})}


def check(name, folder):
    prompts = folder / "prompts.txt"
    prompts.write_text("a photo of the cat\n")
    places = [f"model.pipeline={FOLDER}/test/fixtures/stable-diffusion/{name}", *(f"stages.prompts.{key}={prompts}" for key in ("train", "heldOut"))]
    pairs = [word for setting in [*places, *SETTINGS] for word in ("--set", setting)]
    run = folder / name
    tributary("run", "config/sd15-ddpo-compressibility.yaml", "--run-dir", run, *pairs)
    written = run / "pytorch_lora_weights.safetensors"
    kohya = folder / f"{name}-kohya.safetensors"
    tributary("export", run, "--format", "kohya", "--dtype", "fp32", "--out", kohya)
    state, plain = load_file(written), outputs_of(open_pipeline(name))
    by_hand = open_pipeline(name)
    merge_by_hand(by_hand, state)
    wanted = outputs_of(by_hand)
    passed = True
    for file in (written, kohya):
        pipeline = open_pipeline(name)
        pipeline.load_lora_weights(str(file.parent), weight_name=file.name)
        counts = {part: sum(hasattr(module, "lora_A") for module in model.modules()) for part, model in parts_of(pipeline).items()}
        own = {part: sum(key.startswith(f"{part}.") and key.endswith(".lora_A.weight") for key in state) for part in counts}
        found = outputs_of(pipeline)
        of = lambda one, other: {key: ((one[key] - other[key]).abs().max() / other[key].abs().max()).item() for key in wanted}
        differences, moved = of(found, wanted), of(plain, wanted)
        print(json.dumps(dict(file=file.name, model=name, modules=counts, differences=differences, moved=moved)))
        passed &= counts == own and all(differences[key] < 1e-5 < 1e-3 < moved[key] for key in wanted)
    return passed


if __name__ == "__main__":
    print(json.dumps({module.__name__: module.__version__ for module in (torch, diffusers, peft, transformers)}))
    with tempfile.TemporaryDirectory() as name:
        results = [check(model, pathlib.Path(name)) for model in ("sd1", "sdxl")]
    if not all(results):
        sys.exit("diffusers does not have what the run trained")

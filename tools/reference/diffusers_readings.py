"""Writes test/fixtures/diffusers-readings.json: what diffusers makes of scheduler configs, and which classes it has.

A file goes the way of a user: the scheduler that the file names is loaded, the pipeline class is made with it (and may
correct its config), and DDIMScheduler.from_config takes over. Which pipelines correct what is read from the sources of
their constructors. Needs PyTorch, diffusers and transformers (0.42.1 and 5.24.0 were used):

    python tools/reference/diffusers_readings.py [output file]
"""

import ast
import json
import pathlib
import sys
import tempfile

import diffusers
import diffusers.schedulers
from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
READ = (
    "num_train_timesteps beta_start beta_end beta_schedule prediction_type timestep_spacing steps_offset set_alpha_to_one"
    " rescale_betas_zero_snr"
).split()
CORRECTED = ("steps_offset", "clip_sample", "sample_size")
# Each with what is written out in the file; LMS and DPM-Solver SDE need further packages.
FILES = (
    ("DDIMScheduler", {}),
    ("DDIMScheduler", {"steps_offset": 0, "set_alpha_to_one": True, "clip_sample": False}),
    ("DDIMScheduler", {"steps_offset": 1, "set_alpha_to_one": False, "timestep_spacing": "trailing"}),
    ("DDIMParallelScheduler", {"steps_offset": 0}),
    ("DDPMScheduler", {"steps_offset": 0}),
    ("DDPMParallelScheduler", {}),
    ("PNDMScheduler", {"skip_prk_steps": True}),
    ("PNDMScheduler", {"skip_prk_steps": True, "set_alpha_to_one": False, "steps_offset": 0, "clip_sample": False}),
    ("EulerDiscreteScheduler", {"steps_offset": 0, "timestep_spacing": "leading"}),
    ("EulerDiscreteScheduler", {"steps_offset": 1, "set_alpha_to_one": False, "timestep_spacing": "trailing"}),
    ("EulerAncestralDiscreteScheduler", {"steps_offset": 5}),
    ("HeunDiscreteScheduler", {}),
    ("KDPM2DiscreteScheduler", {"steps_offset": 0}),
    ("KDPM2AncestralDiscreteScheduler", {}),
    ("DEISMultistepScheduler", {"steps_offset": 0}),
    ("DPMSolverMultistepScheduler", {"steps_offset": 0, "timestep_spacing": "linspace"}),
    ("DPMSolverSinglestepScheduler", {"steps_offset": 0}),
    ("UniPCMultistepScheduler", {"prediction_type": "v_prediction"}),
    ("EulerDiscreteScheduler", {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}),
)


PIPELINES = (
    lambda scheduler: StableDiffusionPipeline(None, None, None, None, scheduler, None, None, None, False),
    lambda scheduler: StableDiffusionXLPipeline(None, None, None, None, None, None, scheduler),
)


def loaded(content):
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "scheduler_config.json").write_text(json.dumps(content))
        return getattr(diffusers, content["_class_name"]).from_pretrained(folder)


def readings():
    for name, written in FILES:
        content = {"_class_name": name, **BETAS, **written}
        for pipeline in PIPELINES:
            pipe = pipeline(loaded(content))
            # A missing clip_sample means true in diffusers. This project departs from it: latents have no bound.
            read = DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=False)
            yield {
                "pipeline": type(pipe).__name__,
                "file": content,
                "read": {key: read.config[key] for key in READ},
                "finalAlphaCumprod": read.final_alpha_cumprod.item(),
            }


def corrections():
    """Keys that the constructor of a pipeline class writes into the config of a part."""
    found = {}
    for path in sorted((pathlib.Path(diffusers.__file__).parent / "pipelines").rglob("*.py")):
        source = path.read_text()
        for node in ast.parse(source).body:
            if not isinstance(node, ast.ClassDef):
                continue
            text = ast.get_source_segment(source, node)
            keys = [key for key in CORRECTED if f'new_config["{key}"] = ' in text]
            if keys:
                found[node.name] = keys
    return found


def main(output="test/fixtures/diffusers-readings.json"):
    content = {
        "diffusers": diffusers.__version__,
        "schedulers": sorted(name for name in dir(diffusers.schedulers) if name.endswith("Scheduler")),
        "corrections": corrections(),
        "readings": list(readings()),
    }
    pathlib.Path(output).write_text(json.dumps(content, indent=1) + "\n")
    print(f"{len(content['schedulers'])} schedulers, {len(content['readings'])} readings -> {output}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Writes test/fixtures/schedulers.json: what the schedulers of diffusers make of a few numbers.

One pixel of a picture, of noise and of a network's output goes through set_timesteps, add_noise, get_velocity and step;
tests hold the coefficients of this project against the results. Needs PyTorch and diffusers (0.42.1 was used):

    pip install "diffusers==0.42.1" torch numpy scipy transformers
    python tools/reference/schedulers.py [output file]
"""

import json
import pathlib
import sys

import diffusers
import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.stable_diffusion_3.pipeline_stable_diffusion_3 import calculate_shift

ORIGINAL, NOISE, STEP_NOISE, OUTPUT = 0.7, -1.3, 0.45, 0.9
PREDICTION_TYPES = ("epsilon", "sample", "v_prediction")


def pixel(value):
    return torch.full((1, 1, 1, 1), value, dtype=torch.float64)


def ddim_cases(zero_snr=False):
    for prediction_type in ("sample", "v_prediction") if zero_snr else PREDICTION_TYPES:
        for spacing, offset, to_one in (
            (("trailing", 0, False),)
            if zero_snr
            else (("leading", 1, False), ("trailing", 0, False), ("leading", 1, True), ("linspace", 0, True))
        ):
            # At zero SNR and eta 1 the first step takes the root of 0, or of what rounding leaves of it: NaN in diffusers.
            for eta in (0.0, 0.6) if zero_snr else (0.0, 1.0) if to_one else (0.0, 0.6, 1.0):
                scheduler = DDIMScheduler(
                    beta_start=0.00085,
                    beta_end=0.012,
                    beta_schedule="scaled_linear",
                    clip_sample=False,
                    set_alpha_to_one=to_one,
                    prediction_type=prediction_type,
                    timestep_spacing=spacing,
                    steps_offset=offset,
                    rescale_betas_zero_snr=zero_snr,
                )
                scheduler.set_timesteps(7)
                steps = []
                for timestep in scheduler.timesteps:
                    latents = scheduler.add_noise(pixel(ORIGINAL), pixel(NOISE), timestep[None])
                    result = scheduler.step(
                        pixel(OUTPUT), timestep, latents, eta=eta, variance_noise=pixel(STEP_NOISE)
                    )
                    steps.append(
                        {
                            "timestep": timestep.item(),
                            "latents": latents.item(),
                            "velocity": scheduler.get_velocity(pixel(ORIGINAL), pixel(NOISE), timestep[None]).item(),
                            "prevSample": result.prev_sample.item(),
                            "predOriginalSample": result.pred_original_sample.item(),
                        }
                    )
                yield {
                    "predictionType": prediction_type,
                    "timestepSpacing": spacing,
                    "stepsOffset": offset,
                    "setAlphaToOne": to_one,
                    **({"zeroTerminalSnr": True} if zero_snr else {}),
                    "eta": eta,
                    "steps": steps,
                }


def flow_cases():
    dynamic = {"use_dynamic_shifting": True}
    cases = (
        (1000, 10, {"shift": 1.0}, None),
        (1000, 5, {"shift": 3.0}, None),
        (1000, 1, {"shift": 3.0}, None),
        (500, 28, {"shift": 0.5}, None),
        (1000, 9, {"shift": 3.0, "shift_terminal": 0.1}, None),
        (1000, 6, {**dynamic, "shift": 3.0}, 1024),
        (1000, 7, {**dynamic, "max_shift": 0.9, "base_image_seq_len": 100, "max_image_seq_len": 8192}, 300),
        (1000, 6, {**dynamic, "time_shift_type": "linear", "shift_terminal": 0.02}, 4096),
        (1000, 8, {"shift": 3.0, "use_karras_sigmas": True}, None),
        (1000, 8, {"shift": 2.0, "use_exponential_sigmas": True}, None),
        (1000, 13, {"shift": 3.0, "use_beta_sigmas": True}, None),
        (1000, 8, {**dynamic, "use_beta_sigmas": True}, 2000),
    )
    for train_timesteps, num_steps, settings, image_tokens in cases:
        scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=train_timesteps, **settings)
        training_timesteps = scheduler.timesteps.flip(0)
        mu = image_tokens and calculate_shift(
            image_tokens,
            scheduler.config.base_image_seq_len,
            scheduler.config.max_image_seq_len,
            scheduler.config.base_shift,
            scheduler.config.max_shift,
        )
        scheduler.set_timesteps(num_steps, mu=mu)
        steps = []
        for timestep in scheduler.timesteps:
            latents = scheduler.scale_noise(pixel(ORIGINAL), timestep[None], pixel(NOISE))
            steps.append(
                {
                    "timestep": timestep.item(),
                    "latents": latents.item(),
                    "prevSample": scheduler.step(pixel(OUTPUT), timestep, latents).prev_sample.item(),
                }
            )
        yield {
            "settings": {"num_train_timesteps": train_timesteps, **settings},
            "imageTokens": image_tokens,
            "sigmas": scheduler.sigmas.tolist(),
            # With a dynamic shift these are not shifted: the scheduler has not been told of a size.
            "trainingTimesteps": {}
            if image_tokens
            else {str(index): training_timesteps[index].item() for index in (0, 99, train_timesteps - 1)},
            "steps": steps,
        }


def main(output="test/fixtures/schedulers.json"):
    content = {
        "diffusers": diffusers.__version__,
        "original": ORIGINAL,
        "noise": NOISE,
        "stepNoise": STEP_NOISE,
        "output": OUTPUT,
        "ddim": [*ddim_cases(), *ddim_cases(zero_snr=True)],
        "flow": list(flow_cases()),
    }
    pathlib.Path(output).write_text(json.dumps(content, indent=1) + "\n")
    print(f"{len(content['ddim'])} DDIM and {len(content['flow'])} flow cases -> {output}")


if __name__ == "__main__":
    main(*sys.argv[1:])

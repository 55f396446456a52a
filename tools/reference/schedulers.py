"""Writes test/fixtures/schedulers.json: what the schedulers of diffusers make of a few numbers.

One pixel of a picture, of noise and of a network's output goes through set_timesteps, add_noise, get_velocity and step;
tests hold the coefficients of this project against the results. Needs PyTorch and diffusers (0.42.1 was used):

    pip install "diffusers==0.42.1" torch numpy
    python tools/reference/schedulers.py [output file]
"""

import json
import pathlib
import sys

import diffusers
import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler

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
    for train_timesteps, shift, num_steps in ((1000, 1.0, 10), (1000, 3.0, 5), (1000, 3.0, 1), (500, 0.5, 28)):
        scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=train_timesteps, shift=shift)
        training_timesteps = scheduler.timesteps.flip(0)
        scheduler.set_timesteps(num_steps)
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
            "numTrainTimesteps": train_timesteps,
            "shift": shift,
            "sigmas": scheduler.sigmas.tolist(),
            "trainingTimesteps": {str(index): training_timesteps[index].item() for index in (0, 99, train_timesteps - 1)},
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

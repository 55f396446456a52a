"""Writes test/fixtures/flow-steps.json: 20 steps of each stochastic sampler of flows, in double precision.

The equations are those of the papers: the SDEs of Flow-GRPO (arXiv 2505.05470) and DanceGRPO (2505.07818), and
coefficients-preserving sampling (2509.05952). The noise levels are those of diffusers. Latents, outputs and noise are
rounded to single precision, as the sampler stores them, and so are the latents after a step, of which the log-probs are:
that of the Gaussian, and minus the squared distance to its mean, both means over dimensions. Needs PyTorch and diffusers
(0.42.1 was used):

    pip install "diffusers==0.42.1" torch numpy
    python tools/reference/flow_steps.py [output file]
"""

import json
import math
import pathlib
import sys

import torch
from diffusers import FlowMatchEulerDiscreteScheduler

STEPS, SHIFT, DIMENSIONS = 20, 3.0, 8
SAMPLERS = (("flow-grpo", 0.7), ("dance-grpo", 0.3), ("cps", 0.8))


def single(values):
    return values.float().double()


def gaussian(sde, level, x, v, sigma, after):
    """Mean and standard deviation of the step from the noise level sigma to the one after it."""
    picture, noise = x - sigma * v, x + (1 - sigma) * v
    if sde == "cps":
        std = after * math.sin(level * math.pi / 2)
        return (1 - after) * picture + math.sqrt(after**2 - std**2) * noise, std
    if sde == "flow-grpo":
        g = level * math.sqrt(sigma / (1 - (after if sigma == 1 else sigma)))
    else:
        g = level
    score = -(x - (1 - sigma) * picture) / sigma**2
    dt = after - sigma
    return x + v * dt - g**2 * score * dt / 2, g * math.sqrt(-dt)


def steps(sde, level, sigmas, generator):
    x = single(torch.randn(DIMENSIONS, generator=generator, dtype=torch.float64))
    for sigma, after in zip(sigmas, sigmas[1:]):
        v, n = (single(torch.randn(DIMENSIONS, generator=generator, dtype=torch.float64)) for _ in range(2))
        mean, std = gaussian(sde, level, x, v, sigma, after)
        reached = single(mean + std * n)
        squared = ((reached - mean) ** 2).mean().item()
        yield {
            "latents": x.tolist(),
            "output": v.tolist(),
            "noise": n.tolist(),
            "reached": reached.tolist(),
            "std": std,
            "gaussian": None if std == 0 else -squared / (2 * std**2) - math.log(std) - math.log(2 * math.pi) / 2,
            "squared-distance": None if std == 0 else -squared,
        }
        x = reached


def main(output="test/fixtures/flow-steps.json"):
    scheduler = FlowMatchEulerDiscreteScheduler(shift=SHIFT)
    scheduler.set_timesteps(STEPS)
    # The same levels once more in double precision: log-probs divide by what single precision rounds.
    shifted = lambda sigma: SHIFT * sigma / (1 + (SHIFT - 1) * sigma)
    least = shifted(1 / 1000)
    sigmas = [*(shifted(1 - (1 - least) * i / (STEPS - 1)) for i in range(STEPS)), 0.0]
    assert torch.allclose(torch.tensor(sigmas), scheduler.sigmas, atol=1e-6)
    generator = torch.Generator().manual_seed(23)
    content = {
        "shift": SHIFT,
        "samplers": [
            {"sde": sde, "level": level, "steps": list(steps(sde, level, sigmas, generator))} for sde, level in SAMPLERS
        ],
    }
    pathlib.Path(output).write_text(json.dumps(content) + "\n")
    print(f"{len(SAMPLERS)} samplers of {STEPS} steps -> {output}")


if __name__ == "__main__":
    main(*sys.argv[1:])

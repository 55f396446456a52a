"""Writes test/fixtures/surrogates.safetensors: losses and gradients of every surrogate, computed by PyTorch.

The formulas are written out here a second time, from the papers and as they stand there, in double precision; autograd
gives the gradients with respect to the policy's output. A test holds the project's graphs against the file.

    python tools/reference/surrogates.py [output file]
"""

import json
import math
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

from shapes_unet_gradients import write_safetensors

ROWS = 6
SHAPE = (ROWS, 2, 3, 3)
# One at 0, one beyond every clip of the cases on either side.
ADVANTAGES = [0.7, -1.2, 2.6, -2.9, 0.0, 1.4]
# Of the policy to the sampler: inside the bands of the cases, above and below them.
RATIOS = [1.02, 1.3, 0.8, 0.7, 0.97, 1.25]
SAMPLE_COEFFICIENTS = [1.02, 1.05, 1.1, 1.2, 1.01, 1.3]
OUTPUT_COEFFICIENTS = [-0.1, -0.2, -0.3, -0.5, 0.25, -0.4]
STD_DEVS = [0.5, 0.4, 0.3, 0.2, 0.45, 0.1]
NOISE_SCALES = [0.1, 0.3, 0.5, 0.7, 0.9, 0.6]
# How far the references' outputs are from the policy's, row by row.
DISTANCES = [0.02, 0.1, 0.5, 0.1, 0.3, 0.02]

DIMENSIONS = (1, 2, 3)

CASES = [
    {"type": "ddpo-is", "clipRange": 0.1, "advClipMax": 2},
    {"type": "ddpo-sf", "advClipMax": 2},
    {"type": "dpok", "rewardWeight": 10, "klWeight": 0.5, "kl": "eps-mse", "clipRange": 0.1},
    {"type": "dpok", "rewardWeight": 10, "klWeight": 0.5, "kl": "exact", "clipRange": 0.1},
    {"type": "dpok", "rewardWeight": 3, "klWeight": 0, "kl": "exact", "clipRange": 0.1},
    {"type": "d3po", "preferenceBeta": 0.1, "clipRange": 0.1},
    {"type": "d3po", "preferenceBeta": 5, "clipRange": 0.5},
    {"type": "grpo", "clipRange": 0.1, "advClipMax": 2, "klWeight": 0.04},
    {"type": "grpo", "clipRange": 0.1, "advClipMax": 2, "klWeight": 0},
    {"type": "grpo-guard", "clipRange": 2e-6, "advClipMax": 5},
    {"type": "grpo-guard", "clipRange": 0.01, "advClipMax": 2},
    *(
        {"type": "diffusion-nft", "prediction": prediction, "advClipMax": 2, **settings}
        for prediction in ("epsilon", "velocity")
        for settings in ({"mixtureBeta": 1, "klWeight": 0.1}, {"mixtureBeta": 0.1, "klWeight": 0})
    ),
    *(
        {"type": "awm", "prediction": prediction, "likelihood": likelihood, "advClipMax": 2, **settings}
        for prediction in ("epsilon", "velocity")
        for likelihood in ("squared-error", "ghuber")
        for settings in ({"clipRange": 0.05, "klWeight": 0.1}, {"clipRange": 1, "klWeight": 0})
    ),
    {"type": "reward-weighted", "weighting": "exponential", "inverseTemperature": 0.2},
    {"type": "reward-weighted", "weighting": "threshold", "inverseTemperature": 0.2},
    {"type": "sft", "form": "kl-d", "gamma": 2},
    {"type": "sft", "form": "kl-o", "gamma": 2},
    {"type": "sft", "form": "kl-o", "gamma": 0},
    *(
        {"type": "diffusion-dpo", "prediction": prediction, "preferenceBeta": beta}
        for prediction in ("epsilon", "velocity")
        for beta in (10, 0.5)
    ),
]


def per_row(values):
    return values[:, None, None, None]


def normal_step(x, output):
    """The Gaussian of a denoising step."""
    mean = per_row(x["sampleCoefficient"]) * x["latents"] + per_row(x["outputCoefficient"]) * output
    return torch.distributions.Normal(mean, per_row(x["stdDevT"]).expand(SHAPE))


def log_prob(x, output):
    return normal_step(x, output).log_prob(x["nextLatents"]).mean(dim=DIMENSIONS)


def ppo(ratio, advantage, clip_range):
    objective = torch.minimum(ratio * advantage, ratio.clamp(1 - clip_range, 1 + clip_range) * advantage)
    return -objective


def step_kl(x, output, other):
    """By PyTorch's own formula for two Gaussians."""
    divergence = torch.distributions.kl_divergence(normal_step(x, output), normal_step(x, other))
    return divergence.mean(dim=DIMENSIONS)


def ddpo_is(x, out, c):
    ratio = torch.exp(log_prob(x, out) - x["oldLogProb"])
    return ppo(ratio, x["advantage"].clamp(-c["advClipMax"], c["advClipMax"]), c["clipRange"])


def ddpo_sf(x, out, c):
    return -x["advantage"].clamp(-c["advClipMax"], c["advClipMax"]) * log_prob(x, out)


def dpok(x, out, c):
    ratio = torch.exp(log_prob(x, out) - x["oldLogProb"]).clamp(1 - c["clipRange"], 1 + c["clipRange"])
    kl = {"eps-mse": lambda: ((out - x["pretrained"]) ** 2).mean(dim=DIMENSIONS), "exact": lambda: step_kl(x, out, x["pretrained"])}
    return -c["rewardWeight"] * x["advantage"] * ratio + c["klWeight"] * kl[c["kl"]]()


def d3po(x, out, c):
    ratio = torch.exp(log_prob(x, out) - log_prob(x, x["pretrained"]))
    preferred, rejected = ratio.clamp(1 - c["clipRange"], 1 + c["clipRange"]).chunk(2)
    return -torch.log(torch.sigmoid(c["preferenceBeta"] * (torch.log(preferred) - torch.log(rejected))))


def grpo(x, out, c):
    return ddpo_is(x, out, c) + c["klWeight"] * step_kl(x, out, x["pretrained"])


def grpo_guard(x, out, c):
    """The corrected log-ratio in the form that the correction leaves: the mean of noise times shift."""
    old_mean = normal_step(x, x["old"]).mean
    noise = (x["nextLatents"] - old_mean) / per_row(x["stdDevT"])
    ratio = torch.exp((noise * (normal_step(x, out).mean - old_mean)).mean(dim=DIMENSIONS))
    advantage = x["advantage"].clamp(-c["advClipMax"], c["advClipMax"])
    return ppo(ratio, advantage, c["clipRange"]) / x["outputCoefficient"].abs()


def signal_scale(x, c):
    """sqrt(alpha bar), or 1 - sigma of a flow."""
    noise = x["noiseScale"]
    return 1 - noise if c["prediction"] == "velocity" else torch.sqrt(1 - noise**2)


def noised(x, c):
    return per_row(signal_scale(x, c)) * x["cleanLatents"] + per_row(x["noiseScale"]) * x["noise"]


def target(x, c):
    return x["noise"] - x["cleanLatents"] if c["prediction"] == "velocity" else x["noise"]


def clean_prediction(x, output, c):
    x_t, noise_scale = noised(x, c), per_row(x["noiseScale"])
    if c["prediction"] == "velocity":
        return x_t - noise_scale * output
    return (x_t - noise_scale * output) / per_row(signal_scale(x, c))


def mean_square(difference):
    return (difference**2).mean(dim=DIMENSIONS)


def diffusion_nft(x, out, c):
    """As published: outputs are mixed, and the mixtures turned into predictions of x_0."""
    beta = c["mixtureBeta"]
    r = 0.5 + 0.5 * torch.clamp(x["advantage"] / c["advClipMax"], -1, 1)

    def distance(output):
        error = clean_prediction(x, output, c) - x["cleanLatents"]
        return mean_square(error) / error.detach().abs().mean(dim=DIMENSIONS).clamp(min=1e-5)

    positive = distance((1 - beta) * x["old"] + beta * out)
    negative = distance((1 + beta) * x["old"] - beta * out)
    loss = (r * positive / beta + (1 - r) * negative / beta) * c["advClipMax"]
    return loss + c["klWeight"] * mean_square(out - x["pretrained"])


def awm(x, out, c):
    def likelihood(output):
        error = mean_square(output - target(x, c))
        if c["likelihood"] == "squared-error":
            return -error
        q, floor = 0.25, 1e-10
        return -((error + floor) ** q - floor**q) * x["noiseScale"] / q

    ratio = torch.exp(likelihood(out) - likelihood(x["old"]))
    advantage = x["advantage"].clamp(-c["advClipMax"], c["advClipMax"])
    return ppo(ratio, advantage, c["clipRange"]) + c["klWeight"] * mean_square(out - x["pretrained"])


def reward_weighted(x, out, c):
    advantage = x["advantage"]
    if c["weighting"] == "exponential":
        weight = torch.exp(c["inverseTemperature"] * advantage)
        weight = weight / weight.mean()
    else:
        weight = (advantage >= torch.quantile(advantage, 0.9)).double()
    return weight * mean_square(out - target(x, c))


def sft(x, out, c):
    advantage, gamma = x["advantage"], c["gamma"]
    if c["form"] == "kl-d":
        return (advantage + gamma).clamp(min=0) * mean_square(out - target(x, c))
    prediction = clean_prediction(x, out, c)
    held = mean_square(clean_prediction(x, x["pretrained"], c) - prediction)
    return advantage * mean_square(x["cleanLatents"] - prediction) + gamma * held


def diffusion_dpo(x, out, c):
    """As released: the difference of the errors, of the model and of the frozen one, in a logistic loss."""
    win, lose = mean_square(out - target(x, c)).chunk(2)
    frozen_win, frozen_lose = mean_square(x["pretrained"] - target(x, c)).chunk(2)
    inside = -0.5 * c["preferenceBeta"] * ((win - lose) - (frozen_win - frozen_lose))
    return -F.logsigmoid(inside)


LOSSES = {
    "ddpo-is": ddpo_is,
    "ddpo-sf": ddpo_sf,
    "dpok": dpok,
    "d3po": d3po,
    "grpo": grpo,
    "grpo-guard": grpo_guard,
    "diffusion-nft": diffusion_nft,
    "diffusion-dpo": diffusion_dpo,
    "awm": awm,
    "reward-weighted": reward_weighted,
    "sft": sft,
}


def draw_inputs():
    rng = np.random.default_rng(20_260_405)
    # Everything that the test reads is rounded to single precision first, so that both sides start from the same numbers.
    single = lambda array: torch.from_numpy(np.asarray(array, dtype=np.float32).astype(np.float64))
    normal = lambda: torch.from_numpy(rng.standard_normal(SHAPE))
    output, distances = single(normal()), per_row(single(DISTANCES))
    x = {
        "advantage": single(ADVANTAGES),
        "sampleCoefficient": single(SAMPLE_COEFFICIENTS),
        "outputCoefficient": single(OUTPUT_COEFFICIENTS),
        "stdDevT": single(STD_DEVS),
        "noiseScale": single(NOISE_SCALES),
        "latents": single(normal()),
        "cleanLatents": single(normal()),
        "noise": single(normal()),
        "old": single(output + distances * normal()),
        "pretrained": single(output + distances * normal()),
    }
    x["nextLatents"] = single(normal_step(x, x["old"]).mean + per_row(x["stdDevT"]) * normal())
    x["oldLogProb"] = single(log_prob(x, output) - torch.log(torch.tensor(RATIOS, dtype=torch.float64)))
    return x, output


def main(path="test/fixtures/surrogates.safetensors"):
    x, output = draw_inputs()
    tensors = {f"input:{name}": value for name, value in {**x, "policy": output}.items()}
    cases = [{"prediction": "epsilon", **case} for case in CASES]
    for index, case in enumerate(cases):
        policy = output.clone().requires_grad_()
        loss = LOSSES[case["type"]](x, policy, case)
        loss.sum().backward()
        tensors[f"{index}:loss"], tensors[f"{index}:gradient"] = loss, policy.grad
        moved = policy.grad.abs().amax(dim=DIMENSIONS) > 0
        print(f"{json.dumps(case)}\n  loss {[round(v, 6) for v in loss.tolist()]}, rows with a gradient {moved.int().tolist()}")
    metadata = {"torch": torch.__version__, "cases": json.dumps(cases)}
    write_safetensors(pathlib.Path(path), {name: t.detach().numpy() for name, t in tensors.items()}, metadata)


if __name__ == "__main__":
    main(*sys.argv[1:])

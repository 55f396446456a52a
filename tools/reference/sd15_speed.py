"""Times the UNet of Stable Diffusion 1.5 in PyTorch: the forward pass, and a LoRA training step.

`npm run bench:sd15 -- --python <python>` calls it with the weights that Tributary's own figures are of; by itself:

    python tools/reference/sd15_speed.py <folder of the unet> --what forward|training [--threads 2] [--runs 5]

One process a figure, so that the peak of its memory is that figure's own. Prints one line of JSON: seconds of every run, and
the peak resident memory in bytes. Written against torch 2.15.0, diffusers 0.42.1, PEFT 0.21.2.
"""

import argparse
import json
import resource
import time

import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig

RANK = 4
TOKENS = 77


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--what", choices=["forward", "training"], required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--checkpointing", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)

    unet = UNet2DConditionModel.from_pretrained(options.folder, low_cpu_mem_usage=True)
    unet.requires_grad_(False)
    layers = r".*attn[12]\.to_(q|k|v|out\.0)"
    unet.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, init_lora_weights="gaussian", target_modules=layers))
    if options.checkpointing:
        unet.enable_gradient_checkpointing()
        unet.train()
    size = unet.config.sample_size
    latents = torch.randn(1, unet.config.in_channels, size, size)
    embeds = torch.randn(1, TOKENS, unet.config.cross_attention_dim)
    noise = torch.randn_like(latents)

    def forward() -> torch.Tensor:
        return unet(latents, 500, encoder_hidden_states=embeds).sample

    def step() -> None:
        if options.what == "forward":
            with torch.no_grad():
                forward()
            return
        (forward() - noise).square().mean().backward()
        for parameter in unet.parameters():
            parameter.grad = None

    seconds = []
    for run in range(options.runs + 1):
        started = time.perf_counter()
        step()
        if run > 0:
            seconds.append(time.perf_counter() - started)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"torch": torch.__version__, "seconds": seconds, "peakBytes": peak}))


if __name__ == "__main__":
    main()

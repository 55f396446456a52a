"""Times the UNet of SDXL in PyTorch: a rollout of two steps, and the LoRA gradient of one step, in float32.

`npm run bench:sdxl -- --python <python>` calls it with the weights that Tributary's own figures are of; by itself:

    python tools/reference/sdxl_speed.py <folder of the unet> [--threads 2] [--runs 1]

Gradient checkpointing is on for the gradient. Prints one line of JSON: seconds of each part
by the clock and of all cores together, and the peaks of memory in bytes:
resident, anonymous, and mapped from files. Written against torch 2.15.0, diffusers 0.42.1, PEFT 0.21.2, on Linux.
"""

import argparse
import json
import re
import threading
import time
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig

RANK = 4
TOKENS = 77
LAYERS = r".*attn[12]\.to_(q|k|v|out\.0)"

KEYS = {"resident": "VmHWM", "anonymous": "RssAnon", "files": "RssFile"}
peak = dict.fromkeys(KEYS, 0)


def look() -> None:
    status = Path("/proc/self/status").read_text()
    for name, key in KEYS.items():
        found = re.search(rf"^{key}:\s+(\d+)", status, re.MULTILINE)
        peak[name] = max(peak[name], 1024 * int(found[1]))


def look_on() -> None:
    while True:
        look()
        time.sleep(0.02)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    threading.Thread(target=look_on, daemon=True).start()
    parts = ["opening", "rollout", "gradient"]
    seconds, cpu_seconds = ({part: [] for part in parts} for _ in range(2))

    def timed(part: str, act):
        started, before = time.perf_counter(), time.process_time()
        result = act()
        seconds[part].append(time.perf_counter() - started)
        cpu_seconds[part].append(time.process_time() - before)
        look()
        return result

    def opened() -> UNet2DConditionModel:
        # Half precision on disk becomes float32 while it is loaded.
        unet = UNet2DConditionModel.from_pretrained(
            options.folder, variant="fp16", torch_dtype=torch.float32, low_cpu_mem_usage=True
        )
        unet.requires_grad_(False)
        unet.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, init_lora_weights="gaussian", target_modules=LAYERS))
        unet.enable_gradient_checkpointing()
        return unet

    unet = timed("opening", opened)
    config = unet.config
    latents = torch.randn(1, config.in_channels, config.sample_size, config.sample_size)
    embeds = torch.randn(1, TOKENS, config.cross_attention_dim)
    pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
    size = 8.0 * config.sample_size
    added = {
        "text_embeds": torch.randn(1, pooled),
        "time_ids": torch.tensor([[size, size, 0.0, 0.0, size, size]]),
    }
    noise = torch.randn_like(latents)

    def predict() -> torch.Tensor:
        return unet(latents, 500, encoder_hidden_states=embeds, added_cond_kwargs=added).sample

    def rollout() -> None:
        unet.eval()
        with torch.no_grad():
            for _ in range(2):
                predict()

    def gradient() -> None:
        unet.train()
        (predict() - noise).square().mean().backward()
        for parameter in unet.parameters():
            parameter.grad = None

    for _ in range(options.runs):
        timed("rollout", rollout)
        timed("gradient", gradient)
    print(json.dumps({"torch": torch.__version__, "seconds": seconds, "cpuSeconds": cpu_seconds, "peak": peak}))


if __name__ == "__main__":
    main()

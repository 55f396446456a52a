"""Writes test/fixtures/stable-diffusion/: tiny pipelines of random weights, and what diffusers makes of them.

sd1/, sd2/ and sdxl/ are folders as `save_pretrained` writes them: SD 1.x in half precision; SD 2.x with v-prediction,
linear projections and a UNet in two shards; SDXL with two text encoders, in files of the variant fp16. Beside each lies
expected.safetensors, computed in double precision: token ids, text embeddings, a run of the UNet, decoded pictures (one of
them in tiles), 20 DDIM steps at eta 1 with guidance and log-probs, and the LoRA gradients of a clipped DDPO loss.
tokens.json holds token ids of many texts, pooled.json what SDXL's second text encoder gives for other ends of text.
No fact stands in two places with one value where either could be read: tokenizer_config.json contradicts
special_tokens_map.json, and the numbers of sd2/ are no defaults and none of Stable Diffusion's. The noise is the sampler's own: run tools/reference/sampler-noise.mjs first.

    pip install -r tools/reference/requirements.txt
    node tools/reference/sampler-noise.mjs && python tools/reference/stable_diffusion.py
"""

import json
import math
import pathlib
import shutil
import sys

import diffusers
import torch
import transformers
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

PROMPTS = ["a photo of an astronaut riding a horse on mars", "two cats, oil on canvas!"]
GUIDANCE_SCALE = 3.0
NUM_STEPS = 20
SAMPLE_SIZE = 8

RANK = 2
ALPHA = 3.0
CLIP_RANGE = 0.1
ADV_CLIP_MAX = 2.0
# Ratio and advantage of every pair: inside the range; above it with nothing left to gain; above it with all to lose;
# below it, with an advantage that is clipped too.
RATIOS = [1.05, 1.3, 1.3, 0.8]
ADVANTAGES = [0.7, 1.1, -0.6, 3.5]
WEIGHTS = [0.25, 0.25, 0.5, 0.125]
TIMESTEPS = [951.0, 501.0, 301.0, 1.0]

START, END = "<|startoftext|>", "<|endoftext|>"
CORPUS = (
    "a photo of an astronaut riding a horse on mars painting of the cat and the dog in the rain two cats oil on canvas "
    "highly detailed digital art trending on artstation the the a of in with red blue green house houses horses don't "
    "it's we're photograph portrait 4k 8k cafe naive"
)
TEXTS = [
    *PROMPTS,
    "",
    " ",
    "A  Photo\tof\nthe CAT",
    "don't they're we've it's I'm you'll he'd DON'T",
    "1234 4k 8K, 3.14 (1:2)",
    "wow!!! ... --- <lora:x> #tag @me_too",
    "café naïve Ünïcödé ÀÉ",
    "cafe\u0301 e\u0301",
    "東京タワー と 猫",
    "рыжий кот Ёлка",
    "🐱 a cat 👩‍🚀 emoji",
    "ﬁne ½ ² Ⅷ ٣ १",
    "a\u00a0non-breaking\u3000space\u200bzero",
    "İstanbul ẞtraße ΣΑΣ",
    f"a {END} cat {START}dog",
    "trending_on-artstation/highly.detailed",
    "'quoted' \"double\" ‘curly’ it’s",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "horse" * 12,
]


def byte_characters():
    """CLIP's and GPT-2's printable character for every byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {**{byte: chr(byte) for byte in printable}, **{byte: chr(256 + i) for i, byte in enumerate(others)}}


def learn_merges(count):
    words = [[*word[:-1], word[-1] + "</w>"] for word in CORPUS.split()]
    merges = []
    while len(merges) < count:
        pairs = {}
        for word in words:
            for pair in zip(word, word[1:]):
                pairs[pair] = pairs.get(pair, 0) + 1
        if not pairs:
            break
        best = max(sorted(pairs), key=pairs.get)
        merges.append(best)
        for index, word in enumerate(words):
            merged, at = [], 0
            while at < len(word):
                joined = tuple(word[at : at + 2]) == best
                merged.append("".join(word[at : at + 2]) if joined else word[at])
                at += 2 if joined else 1
            words[index] = merged
    return merges


def write_tokenizer(folder, pad_token):
    """The four files that the repositories of Stable Diffusion hold."""
    folder.mkdir(parents=True)
    characters = [byte_characters()[byte] for byte in sorted(byte_characters())]
    merges = learn_merges(160)
    tokens = [*characters, *(c + "</w>" for c in characters), *("".join(pair) for pair in merges), START, END]
    tokens = [pad_token if pad_token == "!" else tokens[0], *[t for t in tokens if t != pad_token or pad_token == END]]
    tokens = list(dict.fromkeys(tokens))
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": pad_token}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=1) + "\n")
    return CLIPTokenizer.from_pretrained(folder), len(tokens)


def shaken(model):
    """Norms and biases that are not ones and zeros, so that no path through them is idle."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model.eval()


def text_config(vocab_size, tokenizer, hidden_size, **others):
    return CLIPTextConfig(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        intermediate_size=2 * hidden_size,
        num_attention_heads=2,
        num_hidden_layers=3,
        max_position_embeddings=77,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **others,
    )


def vae(scaling_factor, norm_num_groups=4):
    return AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=norm_num_groups,
        sample_size=2 * SAMPLE_SIZE,
        scaling_factor=scaling_factor,
    )


def unet(**others):
    return UNet2DConditionModel(
        sample_size=SAMPLE_SIZE, in_channels=4, out_channels=4, block_out_channels=(16, 32), norm_num_groups=4, **others
    )


BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}


def sd1(folder):
    tokenizer, vocab_size = write_tokenizer(folder / "tokenizer", END)
    text_encoder = CLIPTextModel(text_config(vocab_size, tokenizer, 16))
    network = unet(
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=2,
        cross_attention_dim=16,
        attention_head_dim=4,
    )
    scheduler = PNDMScheduler(**BETAS, skip_prk_steps=True, set_alpha_to_one=False)
    pipe = StableDiffusionPipeline(
        shaken(vae(0.18215)), shaken(text_encoder), tokenizer, shaken(network), scheduler, None, None, None, False
    )
    pipe.to(torch.float16).save_pretrained(folder)


def sd2(folder):
    tokenizer, vocab_size = write_tokenizer(folder / "tokenizer", "!")
    text_encoder = CLIPTextModel(text_config(vocab_size, tokenizer, 16, hidden_act="gelu", layer_norm_eps=0.02))
    network = unet(
        norm_eps=0.01,
        flip_sin_to_cos=False,
        freq_shift=1,
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        layers_per_block=1,
        cross_attention_dim=16,
        attention_head_dim=[2, 4],
        use_linear_projection=True,
    )
    scheduler = DDIMScheduler(
        beta_start=0.0007,
        beta_end=0.016,
        beta_schedule="linear",
        num_train_timesteps=960,
        steps_offset=1,
        clip_sample=False,
        set_alpha_to_one=False,
        prediction_type="v_prediction",
    )
    pipe = StableDiffusionPipeline(
        shaken(vae(0.23, norm_num_groups=2)), shaken(text_encoder), tokenizer, shaken(network), scheduler, None, None, None, False
    )
    pipe.save_pretrained(folder)
    shutil.rmtree(folder / "unet")
    pipe.unet.save_pretrained(folder / "unet", max_shard_size="400KB")


def sdxl(folder):
    tokenizer, vocab_size = write_tokenizer(folder / "tokenizer", END)
    tokenizer_2, vocab_size_2 = write_tokenizer(folder / "tokenizer_2", "!")
    text_encoder = CLIPTextModel(text_config(vocab_size, tokenizer, 16))
    projected = text_config(vocab_size_2, tokenizer_2, 24, hidden_act="gelu", projection_dim=20)
    network = unet(
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=40,
        attention_head_dim=[2, 4],
        transformer_layers_per_block=[1, 2],
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 20,
    )
    scheduler = EulerDiscreteScheduler(**BETAS, timestep_spacing="leading")
    pipe = StableDiffusionXLPipeline(
        shaken(vae(0.13025)),
        shaken(text_encoder),
        shaken(CLIPTextModelWithProjection(projected)),
        tokenizer,
        tokenizer_2,
        shaken(network),
        scheduler,
    )
    pipe.to(torch.float16).save_pretrained(folder, variant="fp16")
    # The published file keeps a key of the scheduler that it was made from.
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "set_alpha_to_one": False}, indent=2) + "\n")


def keep_vocabularies(folder):
    """Newer versions of transformers write tokenizer.json alone; published folders hold vocabulary and merges. Those of SD 2.x name
    another pad token in tokenizer_config.json than in special_tokens_map.json, which wins."""
    for tokenizer in folder.glob("tokenizer*"):
        (tokenizer / "tokenizer.json").unlink(missing_ok=True)
        path = tokenizer / "tokenizer_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "pad_token": END}, indent=2) + "\n")


def single(tensor):
    """Rounded to single precision, so that both sides start from the same numbers."""
    return tensor.to(torch.float32).to(torch.float64)


def padded_ids(tokenizer, prompts):
    return tokenizer(
        prompts, padding="max_length", max_length=77, truncation=True, return_tensors="pt"
    ).input_ids


class Fixture:
    """A pipeline read back from its files, in double precision."""

    def __init__(self, folder):
        self.is_xl = (folder / "text_encoder_2").exists()
        variant = "fp16" if self.is_xl else None
        load = lambda kind, name: kind.from_pretrained(
            folder / name, variant=variant, torch_dtype=torch.float32, use_safetensors=True
        ).double().eval()
        self.tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
        self.text_encoder = load(CLIPTextModel, "text_encoder")
        if self.is_xl:
            self.tokenizer_2 = CLIPTokenizer.from_pretrained(folder / "tokenizer_2")
            self.text_encoder_2 = load(CLIPTextModelWithProjection, "text_encoder_2")
        self.unet = load(UNet2DConditionModel, "unet")
        self.vae = load(AutoencoderKL, "vae")
        # What a user of diffusers does to get DDIM: DDIMScheduler.from_config(pipe.scheduler.config).
        config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
        self.scheduler = DDIMScheduler.from_config(config, clip_sample=False)
        self.tensors = {}

    def embed(self, prompts):
        """Embeddings [B, 77, width], and pooled ones for SDXL."""
        ids = padded_ids(self.tokenizer, prompts)
        if not self.is_xl:
            return self.text_encoder(ids).last_hidden_state, None
        first = self.text_encoder(ids, output_hidden_states=True).hidden_states[-2]
        second = self.text_encoder_2(padded_ids(self.tokenizer_2, prompts), output_hidden_states=True)
        return torch.cat([first, second.hidden_states[-2]], dim=-1), second.text_embeds

    def unconditional(self, count):
        embeds, pooled = self.embed([""] * count)
        # Like StableDiffusionXLPipeline with force_zeros_for_empty_prompt.
        return (torch.zeros_like(embeds), torch.zeros_like(pooled)) if self.is_xl else (embeds, None)

    def predict(self, latents, timestep, embeds, pooled):
        added = None
        if pooled is not None:
            size = float(2 * SAMPLE_SIZE)
            time_ids = torch.tensor([[size, size, 0, 0, size, size]], dtype=torch.float64).repeat(len(latents), 1)
            added = {"text_embeds": pooled, "time_ids": time_ids}
        return self.unet(latents, timestep, encoder_hidden_states=embeds, added_cond_kwargs=added).sample

    def guided(self, latents, timesteps, conditional, unconditional):
        embeds = torch.cat([unconditional[0], conditional[0]])
        pooled = None if conditional[1] is None else torch.cat([unconditional[1], conditional[1]])
        output = self.predict(torch.cat([latents] * 2), torch.cat([timesteps] * 2), embeds, pooled)
        without, with_prompt = output.chunk(2)
        return without + GUIDANCE_SCALE * (with_prompt - without)


def log_prob(mean, std_dev, next_latents):
    """The mean over dimensions of the log-density, as ddpo-pytorch has it."""
    density = -((next_latents - mean) ** 2) / (2 * std_dev**2) - torch.log(std_dev) - 0.5 * math.log(2 * math.pi)
    return density.mean(dim=(1, 2, 3))


def trajectory(fixture, noise, conditional, unconditional):
    fixture.scheduler.set_timesteps(NUM_STEPS)
    latents = noise["initial"].double()
    path, log_probs = [latents], []
    for index, timestep in enumerate(fixture.scheduler.timesteps):
        timesteps = torch.full((len(latents),), float(timestep), dtype=torch.float64)
        output = fixture.guided(latents, timesteps, conditional, unconditional)
        step = lambda step_noise: fixture.scheduler.step(
            output, timestep, latents, eta=1.0, variance_noise=step_noise
        ).prev_sample
        mean, taken = step(torch.zeros_like(latents)), step(noise["steps"][index].double())
        previous = timestep - fixture.scheduler.config.num_train_timesteps // NUM_STEPS
        std_dev = fixture.scheduler._get_variance(timestep, previous).double() ** 0.5
        log_probs.append(log_prob(mean, std_dev, taken))
        latents = taken
        path.append(latents)
    return torch.stack(path), torch.stack(log_probs)


def add_lora(network):
    """Adds x A B (alpha / rank) beside every attention projection; returns A [in, rank] and B [rank, out] by layer."""
    adapters = {}
    for name, module in network.named_modules():
        if not name.endswith((".to_q", ".to_k", ".to_v", ".to_out.0")):
            continue
        a = single(0.1 * torch.randn(module.in_features, RANK)).requires_grad_()
        b = single(0.1 * torch.randn(RANK, module.out_features)).requires_grad_()
        adapters[name] = (a, b)
        module.register_forward_hook(lambda _, args, y, a=a, b=b: y + (ALPHA / RANK) * (args[0] @ a @ b))
    return adapters


def gradients(fixture, conditional, unconditional):
    pairs = len(RATIOS)
    repeat = lambda pair: tuple(None if part is None else single(part.repeat(pairs // 2, *[1] * (part.dim() - 1))) for part in pair)
    conditional, unconditional = repeat(conditional), repeat(unconditional)
    adapters = add_lora(fixture.unet)
    column = lambda values: torch.tensor(values, dtype=torch.float64)
    per_pair = lambda values: values[:, None, None, None]
    latents = single(torch.randn(pairs, 4, SAMPLE_SIZE, SAMPLE_SIZE))
    inputs = {
        "sampleCoefficient": single(column([1.02, 1.05, 1.1, 1.2])),
        "outputCoefficient": single(column([-0.1, -0.2, -0.3, -0.5])),
        "stdDevT": single(column([0.4, 0.3, 0.2, 0.1])),
        "advantage": single(column(ADVANTAGES)),
        "weight": single(column(WEIGHTS)),
    }
    output = fixture.guided(latents, column(TIMESTEPS), conditional, unconditional)
    mean = per_pair(inputs["sampleCoefficient"]) * latents + per_pair(inputs["outputCoefficient"]) * output
    std_dev = per_pair(inputs["stdDevT"])
    inputs["nextLatents"] = single((mean + std_dev * torch.randn_like(mean)).detach())
    current = log_prob(mean, std_dev, inputs["nextLatents"])
    inputs["oldLogProb"] = single((current - torch.log(column(RATIOS))).detach())
    ratio = torch.exp(current - inputs["oldLogProb"])
    advantage = inputs["advantage"].clamp(-ADV_CLIP_MAX, ADV_CLIP_MAX)
    clipped = ratio.clamp(1 - CLIP_RANGE, 1 + CLIP_RANGE)
    loss = (inputs["weight"] * torch.maximum(-advantage * ratio, -advantage * clipped)).sum()
    loss.backward()
    inputs["sample"] = torch.cat([latents, latents])
    inputs["timestep"] = column(TIMESTEPS + TIMESTEPS)
    inputs["encoder_hidden_states"] = torch.cat([unconditional[0], conditional[0]])
    if conditional[1] is not None:
        size = 2.0 * SAMPLE_SIZE
        inputs["text_embeds"] = torch.cat([unconditional[1], conditional[1]])
        inputs["time_ids"] = column([[size, size, 0, 0, size, size]] * (2 * pairs))
    found = {"loss": loss, "ratio": ratio}
    for layer, (a, b) in adapters.items():
        inputs[f"{layer}.lora_A"], inputs[f"{layer}.lora_B"] = a, b
        found[f"gradient:{layer}.lora_A"], found[f"gradient:{layer}.lora_B"] = a.grad, b.grad
    return {**{f"input:{name}": value for name, value in inputs.items()}, **found}


def expectations(folder, noise):
    fixture = Fixture(folder)
    with torch.no_grad():
        conditional, unconditional = fixture.embed(PROMPTS), fixture.unconditional(len(PROMPTS))
        sample, timesteps = single(torch.randn(2, 4, SAMPLE_SIZE, SAMPLE_SIZE)), torch.tensor([981.0, 21.0])
        path, log_probs = trajectory(fixture, noise, conditional, unconditional)
        large = single(0.5 * torch.randn(1, 4, 20, 13))
        tensors = {
            "tokens": padded_ids(fixture.tokenizer, PROMPTS),
            "promptEmbeds": conditional[0],
            "emptyEmbeds": unconditional[0][:1],
            "unet:sample": sample,
            "unet:timestep": timesteps,
            "unet:output": fixture.predict(sample, timesteps.double(), *conditional),
            "trajectory": path,
            "logProbs": log_probs,
            "timesteps": fixture.scheduler.timesteps.double(),
            "images": fixture.vae.decode(path[-1] / fixture.vae.config.scaling_factor).sample,
            "large:latents": large,
            "large:image": fixture.vae.decode(large).sample,
        }
        fixture.vae.enable_tiling()
        tensors["large:tiledImage"] = fixture.vae.decode(large).sample
        if fixture.is_xl:
            tensors["tokens2"] = padded_ids(fixture.tokenizer_2, PROMPTS)
            tensors["pooledEmbeds"] = conditional[1]
    tensors.update(gradients(fixture, conditional, unconditional))
    tensors = {
        name: (t if t.dtype == torch.int64 else t.detach().to(torch.float32)).contiguous().clone()
        for name, t in tensors.items()
    }
    about = {
        "diffusers": diffusers.__version__,
        "transformers": transformers.__version__,
        "torch": torch.__version__,
        "prompts": PROMPTS,
        "rank": RANK,
        "alpha": ALPHA,
        "guidanceScale": GUIDANCE_SCALE,
        "clipRange": CLIP_RANGE,
        "advClipMax": ADV_CLIP_MAX,
        "pairs": len(RATIOS),
    }
    # One key: several come in an order that changes from run to run.
    save_file(tensors, folder / "expected.safetensors", {"about": json.dumps(about)})
    print(f"{folder.name}: {sum(p.numel() for p in fixture.unet.parameters())} parameters in the UNet, loss {tensors['loss'].item():.6g}")


def pooled(folder):
    """Pooled embeddings by eos_token_id: the end of text, a token of the prompt that has a lower id than others, and 2 of old configs."""
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer_2")
    model = CLIPTextModelWithProjection.from_pretrained(folder / "text_encoder_2", variant="fp16", torch_dtype=torch.float32).double()
    ids = padded_ids(tokenizer, PROMPTS[:1])
    found = []
    for eos in (tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("of</w>"), 2):
        model.text_model.eos_token_id = eos
        model.config.eos_token_id = eos
        with torch.no_grad():
            found.append({"eosTokenId": eos, "pooled": [round(value, 7) for value in model(ids).text_embeds[0].tolist()]})
    return found


def main(output="test/fixtures/stable-diffusion"):
    torch.manual_seed(20_261_121)
    torch.use_deterministic_algorithms(True)
    root = pathlib.Path(output)
    noise = load_file(root / "noise.safetensors")
    for make in (sd1, sd2, sdxl):
        folder = root / make.__name__
        shutil.rmtree(folder, ignore_errors=True)
        make(folder)
        keep_vocabularies(folder)
        expectations(folder, noise)
    tokens = {}
    for name, folder in (("sd1", "sd1/tokenizer"), ("sd2", "sd2/tokenizer")):
        tokenizer = CLIPTokenizer.from_pretrained(root / folder)
        tokens[name] = [{"text": text, "ids": tokenizer(text).input_ids} for text in TEXTS]
    (root / "pooled.json").write_text(json.dumps(pooled(root / "sdxl"), indent=1) + "\n")
    (root / "tokens.json").write_text(json.dumps(tokens, ensure_ascii=True, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Exports a CLIP of transformers to ONNX, as the reward `clip-score` reads it (docs/rewards.md).

    pip install torch transformers onnx
    python docs/examples/export_clip.py openai/clip-vit-base-patch32 rewards/clip

A third argument names the repository of preprocessor and tokenizer, where it is another one.
"""

import pathlib
import sys

import torch
from huggingface_hub import snapshot_download
from transformers import CLIPModel

# As they were published: a newer transformers would write them in another form.
BESIDE = [
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "special_tokens_map.json",
]


class Vision(torch.nn.Module):
    def __init__(self, clip):
        super().__init__()
        self.model, self.projection = clip.vision_model, clip.visual_projection

    def forward(self, pixel_values):
        return self.projection(self.model(pixel_values=pixel_values).pooler_output)


class Text(torch.nn.Module):
    def __init__(self, clip):
        super().__init__()
        self.model, self.projection = clip.text_model, clip.text_projection

    def forward(self, input_ids):
        # CLIP's text model looks back alone, and is read at the end token: what stands after it changes nothing.
        return self.projection(self.model(input_ids=input_ids).pooler_output)


def export(module, example, path, name, output):
    torch.onnx.export(
        module,
        (example,),
        str(path),
        input_names=[name],
        output_names=[output],
        dynamic_axes={name: {0: "batch"}, output: {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )


def export_clip(clip, folder):
    clip = clip.eval().float()
    side = clip.config.vision_config.image_size
    tokens = clip.config.text_config.max_position_embeddings
    folder.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        pixels = torch.zeros(1, 3, side, side)
        export(Vision(clip), pixels, folder / "vision_model.onnx", "pixel_values", "image_embeds")
        ids = torch.zeros(1, tokens, dtype=torch.int64)
        ids[0, 1] = clip.config.text_config.eos_token_id
        export(Text(clip), ids, folder / "text_model.onnx", "input_ids", "text_embeds")
    print(f"scale of its logits: {clip.logit_scale.exp().item():.4f}")


if __name__ == "__main__":
    source, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    export_clip(CLIPModel.from_pretrained(source), folder)
    snapshot_download(sys.argv[3] if len(sys.argv) > 3 else source, local_dir=folder, allow_patterns=BESIDE)

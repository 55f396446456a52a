"""Exports a text encoder of transformers up to one of its layers, as the reward `vlm-caption` reads it (docs/rewards.md).

    pip install torch transformers onnx
    python docs/examples/export_text_encoder.py microsoft/deberta-xlarge-mnli 40 rewards/deberta

40 is the layer that the package bert_score takes of this model.
"""

import pathlib
import sys

import torch


class Tokens(torch.nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids, attention_mask):
        return self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


def export_text_encoder(encoder, layers, folder):
    encoder.encoder.layer = encoder.encoder.layer[:layers]
    folder.mkdir(parents=True, exist_ok=True)
    ids = torch.arange(1, 9).reshape(1, 8)
    names = ["input_ids", "attention_mask", "last_hidden_state"]
    torch.onnx.export(
        Tokens(encoder).eval().requires_grad_(False),
        (ids, torch.ones_like(ids)),
        str(folder / "model.onnx"),
        input_names=names[:2],
        output_names=names[2:],
        dynamic_axes={name: {0: "batch", 1: "tokens"} for name in names},
        opset_version=17,
        dynamo=False,
    )


if __name__ == "__main__":
    from transformers import AutoModel, AutoTokenizer

    source, layers, folder = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
    export_text_encoder(AutoModel.from_pretrained(source), layers, folder)
    AutoTokenizer.from_pretrained(source).save_pretrained(folder)

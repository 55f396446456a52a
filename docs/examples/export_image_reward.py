"""Exports ImageReward to ONNX, standardized by its authors' constants, as the reward `onnx` reads it (docs/rewards.md).

    pip install torch image-reward onnx
    python docs/examples/export_image_reward.py rewards/image-reward/model.onnx
"""

import pathlib
import sys

import torch


class Scored(torch.nn.Module):
    def __init__(self, reward):
        super().__init__()
        self.vision, self.text, self.mlp = reward.blip.visual_encoder, reward.blip.text_encoder, reward.mlp
        self.mean, self.std = reward.mean, reward.std

    def forward(self, pixel_values, input_ids, attention_mask):
        image = self.vision(pixel_values)
        seen = torch.ones(image.shape[:2], dtype=torch.long)
        text = self.text(
            input_ids,
            attention_mask=attention_mask,
            encoder_hidden_states=image,
            encoder_attention_mask=seen,
            return_dict=True,
        )
        return (self.mlp(text.last_hidden_state[:, 0, :]) - self.mean) / self.std


def export_image_reward(reward, side, tokens, path):
    names = ["pixel_values", "input_ids", "attention_mask", "score"]
    ids = torch.ones(2, tokens, dtype=torch.int64)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        Scored(reward).eval().requires_grad_(False),
        (torch.zeros(2, 3, side, side), ids, ids.clone()),
        str(path),
        input_names=names[:3],
        output_names=names[3:],
        dynamic_axes={name: {0: "batch"} for name in names},
        opset_version=17,
        dynamo=False,
    )


if __name__ == "__main__":
    import ImageReward

    reward = ImageReward.load("ImageReward-v1.0", device="cpu")
    export_image_reward(reward, 224, 35, pathlib.Path(sys.argv[1]))

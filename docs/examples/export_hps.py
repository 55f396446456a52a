"""Exports HPSv2 to ONNX, as the reward `onnx` reads it (docs/rewards.md).

    pip install torch open_clip_torch onnx
    python docs/examples/export_hps.py HPS_v2.1_compressed.pt rewards/hps/model.onnx
"""

import pathlib
import sys

import torch


class HpsV2(torch.nn.Module):
    def __init__(self, clip):
        super().__init__()
        self.clip = clip

    def forward(self, pixel_values, input_ids):
        return self.clip.encode_image(pixel_values), self.clip.encode_text(input_ids)


def export_hps(clip, side, tokens, path):
    names = ["pixel_values", "input_ids", "image_embeds", "text_embeds"]
    path.parent.mkdir(parents=True, exist_ok=True)
    # The one operator in which PyTorch attends while it infers has no counterpart in ONNX.
    torch.backends.mha.set_fastpath_enabled(False)
    torch.onnx.export(
        HpsV2(clip).eval().requires_grad_(False),
        (torch.zeros(2, 3, side, side), torch.ones(2, tokens, dtype=torch.int64)),
        str(path),
        input_names=names[:2],
        output_names=names[2:],
        dynamic_axes={name: {0: "batch"} for name in names},
        opset_version=17,
        dynamo=False,
    )


if __name__ == "__main__":
    import open_clip

    clip, _, _ = open_clip.create_model_and_transforms("ViT-H-14")
    clip.load_state_dict(torch.load(sys.argv[1], map_location="cpu")["state_dict"])
    export_hps(clip, 224, 77, pathlib.Path(sys.argv[2]))

"""Runs the export recipes of docs/examples on tiny models of random weights, and compares what onnxruntime makes of the files
with what PyTorch makes of the models.

    pip install torch transformers open_clip_torch onnx onnxruntime
    python tools/reference/reward_exports.py <folder>

ImageReward's own classes are stood in for by BLIP's of transformers: the same networks under the same calls.
"""

import pathlib
import sys
import types

import numpy
import onnxruntime
import open_clip
import torch
import transformers
from transformers import BertConfig, BertModel, BlipTextConfig, BlipVisionConfig, CLIPConfig, CLIPModel
from transformers import DebertaConfig, DebertaModel
from transformers.models.blip.modeling_blip import BlipVisionModel
from transformers.models.blip.modeling_blip_text import BlipTextModel

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "docs" / "examples"))
from export_clip import Text, Vision, export_clip  # noqa: E402
from export_hps import HpsV2, export_hps  # noqa: E402
from export_image_reward import Scored, export_image_reward  # noqa: E402
from export_text_encoder import Tokens, export_text_encoder  # noqa: E402

SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 4, "num_attention_heads": 2}


class BlipVision(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixel_values):
        return self.model(pixel_values=pixel_values).last_hidden_state


def compare(what, path, module, feeds):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(None, {name: value.numpy() for name, value in feeds.items()})
    with torch.no_grad():
        expected = module(**feeds)
    expected = expected if isinstance(expected, tuple) else (expected,)
    worst = max(float(numpy.abs(f - e.numpy()).max() / numpy.abs(e.numpy()).max()) for f, e in zip(found, expected))
    print(f"{what}: {worst:.1e} of the largest value, {[list(f.shape) for f in found]}")
    assert worst < 1e-5, what


def pixels():
    return torch.randn(3, 3, 32, 32)


def ids(tokens, end, most=100):
    values = torch.randint(3, most, (3, tokens))
    for row, place in enumerate((4, 9, tokens - 1)):
        values[row, place:] = end
    return values


def main(folder):
    torch.manual_seed(0)
    clip = CLIPModel(
        CLIPConfig(
            text_config={**SIZES, "vocab_size": 200, "max_position_embeddings": 20, "eos_token_id": 199},
            vision_config={**SIZES, "image_size": 32, "patch_size": 8},
            projection_dim=16,
        )
    ).eval()
    export_clip(clip, folder / "clip")
    compare("CLIP, vision", folder / "clip/vision_model.onnx", Vision(clip), {"pixel_values": pixels()})
    compare("CLIP, text", folder / "clip/text_model.onnx", Text(clip), {"input_ids": ids(20, 199)})

    hps = open_clip.CLIP(
        embed_dim=16,
        vision_cfg={"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
        text_cfg={"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
    ).eval()
    export_hps(hps, 32, 77, folder / "hps/model.onnx")
    feeds = {"pixel_values": pixels(), "input_ids": ids(77, 49407, 40000)}
    compare("HPSv2", folder / "hps/model.onnx", HpsV2(hps), feeds)

    vision = BlipVisionModel(BlipVisionConfig(**SIZES, image_size=32, patch_size=8)).eval()
    text = BlipTextConfig(**SIZES, vocab_size=100, encoder_hidden_size=32, is_decoder=True)
    blip = types.SimpleNamespace(
        visual_encoder=BlipVision(vision), text_encoder=BlipTextModel(text, add_pooling_layer=False).eval()
    )
    mlp = torch.nn.Sequential(torch.nn.Linear(32, 16), torch.nn.Linear(16, 1))
    reward = types.SimpleNamespace(blip=blip, mlp=mlp, mean=0.16717, std=1.03334)
    export_image_reward(reward, 32, 35, folder / "image-reward/model.onnx")
    mask = torch.ones(3, 35, dtype=torch.int64)
    mask[0, 9:] = 0
    feeds = {"pixel_values": pixels(), "input_ids": ids(35, 0), "attention_mask": mask}
    compare("ImageReward", folder / "image-reward/model.onnx", Scored(reward), feeds)

    deberta = DebertaConfig(
        **SIZES, vocab_size=100, relative_attention=True, pos_att_type=["c2p", "p2c"], position_biased_input=False
    )
    for name, encoder in (("DeBERTa", DebertaModel(deberta)), ("BERT", BertModel(BertConfig(**SIZES, vocab_size=100)))):
        encoder.eval()
        path = folder / name.lower()
        export_text_encoder(encoder, 3, path)
        for tokens in (5, 21):
            mask = torch.ones(3, tokens, dtype=torch.int64)
            mask[0, 4:] = 0
            feeds = {"input_ids": ids(tokens, 2), "attention_mask": mask}
            compare(f"{name}, {tokens} tokens", path / "model.onnx", Tokens(encoder), feeds)


if __name__ == "__main__":
    print(f"PyTorch {torch.__version__}, transformers {transformers.__version__}, open_clip {open_clip.__version__}")
    main(pathlib.Path(sys.argv[1]))

"""Writes test/fixtures/dynamo-unet.onnx and .json: a UNet by PyTorch's dynamo exporter, and what diffusers computes with it.

The exporter gives nodes no names, and folds the weights of most layers into constants without one. An adapter of rank 2 lies
on every projection of attention; its numbers are those of `numbers` in network_variants.py. Needs onnxscript beside the
requirements (0.7.2 was used with torch 2.15.0):

    python tools/reference/dynamo_unet.py [output folder]
"""

import json
import pathlib
import sys
import tempfile

import onnx
import torch
from diffusers import UNet2DConditionModel
from network_variants import fill, made

RANK, ALPHA = 2, 4.0
KEPT = {"pkg.torch.onnx.name_scopes"}


def tiny_unet():
    model = UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, block_out_channels=(8,), norm_num_groups=4, layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D",), up_block_types=("CrossAttnUpBlock2D",), cross_attention_dim=12,
        attention_head_dim=2,
    )
    fill(model)
    return model.float()


def feeds():
    return made((2, 4, 8, 8), 1001, 4).float(), torch.tensor([981.0, 21.0]), made((2, 3, 12), 1002, 4).float()


def numbers_of(output):
    return [float(f"{value:.7g}") for value in output.flatten().tolist()]


def main(folder=pathlib.Path(__file__).parents[2] / "test/fixtures"):
    folder, model = pathlib.Path(folder), tiny_unet()
    names = ["sample", "timestep", "encoder_hidden_states"]
    with tempfile.TemporaryDirectory() as where:
        program = torch.onnx.export(
            model, feeds(), dynamo=True, input_names=names, output_names=["out_sample"], kwargs={"return_dict": False}
        )
        program.save(f"{where}/model.onnx", external_data=False)
        graph = onnx.load(f"{where}/model.onnx")
    for node in graph.graph.node:
        kept = [entry for entry in node.metadata_props if entry.key in KEPT]
        del node.metadata_props[:]
        node.metadata_props.extend(kept)
    for value in graph.graph.value_info:
        del value.metadata_props[:]
    onnx.save(graph, folder / "dynamo-unet.onnx")
    with torch.no_grad():
        plain = model(*feeds()).sample
        layers = sorted(name for name, _ in model.named_modules() if name.endswith((".to_q", ".to_k", ".to_v", ".to_out.0")))
        for index, name in enumerate(layers):
            weight = model.get_submodule(name).weight
            a, b = made((RANK, weight.shape[1]), 2 * index, 1), made((weight.shape[0], RANK), 2 * index + 1, 1)
            weight += (ALPHA / RANK * b @ a).float()
        adapted = model(*feeds()).sample
    content = {
        "torch": torch.__version__, "rank": RANK, "alpha": ALPHA, "layers": layers,
        "plain": numbers_of(plain), "adapted": numbers_of(adapted),
    }
    (folder / "dynamo-unet.json").write_text(json.dumps(content) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

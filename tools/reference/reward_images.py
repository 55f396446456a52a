"""Writes test/fixtures/reward-images.json: what Pillow and transformers make of a few pictures.

JPEG sizes as DDPO's rewards have them, and pixel values as CLIPImageProcessor makes them. The pictures are a formula of
their coordinates, which the tests repeat. Made with Pillow 12.3 and transformers 4.57.3; Pillow 13.0 resizes some tall
pictures in another order:

    pip install "pillow<13" numpy "transformers<5"
    python tools/reference/reward_images.py [output file]
"""

import base64
import io
import json
import pathlib
import sys

import numpy as np
from PIL import Image
from transformers import CLIPImageProcessor


def picture(height, width, grain):
    """Slow waves, and with `grain` a texture: whole numbers, so that every language makes the same ones."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    waves = np.abs((x * (3 + c) + y * 2) % 510 - 255)
    texture = (x * x * 7 + y * y * 13 + x * y * 3 + c * 50) % 256
    return (texture if grain else waves).astype(np.uint8)


def jpeg_cases():
    for height, width in ((16, 16), (64, 48), (100, 130), (256, 256)):
        for grain in (False, True):
            for quality in (95, 50):
                file = io.BytesIO()
                Image.fromarray(picture(height, width, grain)).save(file, format="JPEG", quality=quality)
                yield dict(height=height, width=width, grain=grain, quality=quality, bytes=len(file.getvalue()))


def config_of(grain, resample):
    """Every second case leaves all to the defaults but one size; the others say everything, each number another one."""
    if grain == (resample == 3):
        return dict(size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24}, resample=resample)
    own = dict(rescale_factor=1 / 200, image_mean=[0.5, 0.4, 0.3], image_std=[0.2, 0.3, 0.25], resample=resample)
    if grain:
        return dict(size={"shortest_edge": 27}, crop_size={"height": 20, "width": 22}, **own)
    return dict(size={"height": 21, "width": 17}, do_center_crop=False, **own)


def processor_cases():
    for height, width in ((16, 16), (12, 30), (64, 48), (100, 130), (24, 24)):
        for grain in (False, True):
            for resample in (2, 3):
                config = config_of(grain, resample)
                processor = CLIPImageProcessor(**config)
                values = processor(Image.fromarray(picture(height, width, grain)), return_tensors="np")["pixel_values"][0]
                data = base64.b64encode(values.astype("<f4").tobytes()).decode()
                yield dict(height=height, width=width, grain=grain, config=config, values=data)


if __name__ == "__main__":
    fixture = dict(jpeg=list(jpeg_cases()), processor=list(processor_cases()))
    path = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "test/fixtures/reward-images.json")
    path.write_text(json.dumps(fixture, indent=1) + "\n")

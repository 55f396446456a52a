"""Writes test/fixtures/safetensors-headers.json: headers, and whether the safetensors library takes them.

    python tools/reference/safetensors_headers.py [output file]
"""

import json
import pathlib
import struct
import sys

import safetensors.numpy

TENSOR = '{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
HEADERS = {
    "plain": f'{{"a":{TENSOR}}}',
    "metadata null": f'{{"__metadata__":null,"a":{TENSOR}}}',
    "metadata empty": f'{{"__metadata__":{{}},"a":{TENSOR}}}',
    "metadata last": f'{{"a":{TENSOR},"__metadata__":{{"format":"pt"}}}}',
    "metadata a list": f'{{"__metadata__":[],"a":{TENSOR}}}',
    "metadata a text": f'{{"__metadata__":"pt","a":{TENSOR}}}',
    "metadata with null": f'{{"__metadata__":{{"format":null}},"a":{TENSOR}}}',
    "metadata with a number": f'{{"__metadata__":{{"step":1}},"a":{TENSOR}}}',
    "metadata with an object": f'{{"__metadata__":{{"config":{{}}}},"a":{TENSOR}}}',
    "an unknown key": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"strides":[1]}}',
    "an unknown key first": '{"a":{"comment":{"by":[null]},"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    "keys in another order": '{"a":{"data_offsets":[0,8],"shape":[2],"dtype":"F32"}}',
    "an entry that is a list": '{"a":["F32",[2],[0,8]]}',
    "an entry that is a longer list": '{"a":["F32",[2],[0,8],1]}',
    "an entry that is a shorter list": '{"a":["F32",[2]]}',
    "an entry that is null": '{"a":null}',
    "no shape": '{"a":{"dtype":"F32","data_offsets":[0,8]}}',
    "shape null": '{"a":{"dtype":"F32","shape":null,"data_offsets":[0,8]}}',
    "three offsets": '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}',
    "a negative axis": '{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}',
    "a name that is empty": f'{{"":{TENSOR}}}',
    "spaces around": f'  {{"a":{TENSOR}}} \n ',
    "a byte order mark": f'\ufeff{{"a":{TENSOR}}}',
    "zeros behind": f'{{"a":{TENSOR}}}\0\0',
}


def is_taken(header):
    text = header.encode()
    try:
        tensors = safetensors.numpy.load(struct.pack("<Q", len(text)) + text + struct.pack("<2f", 1, 2))
    except safetensors.SafetensorError:
        return False
    assert [list(values) for values in tensors.values()] == [[1, 2]]
    return True


if __name__ == "__main__":
    default = pathlib.Path(__file__).parents[2] / "test/fixtures/safetensors-headers.json"
    cases = [{"name": name, "header": header, "isTaken": is_taken(header)} for name, header in HEADERS.items()]
    content = {"safetensors": safetensors.__version__, "cases": cases}
    pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else default).write_text(json.dumps(content, indent=2) + "\n")

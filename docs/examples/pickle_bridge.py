"""A bridge to reward servers that speak pickle, as those of ddpo-pytorch and Flow-GRPO do.

Tributary sends JSON to this program, which sends pickle to the server and reads the answer. An answer in pickle may
hold any code; this program reads plain lists, mappings, text and numbers, and refuses everything else.

    python3 pickle_bridge.py 8000 http://127.0.0.1:18085 scores

The last word is the key of the rewards in the answer: "scores" or "rewards" of the GenEval server, "outputs" of DeQA.
Pictures are sent as JPEG, for which Pillow is needed, or as they come with --png.
"""

import argparse
import base64
import io
import json
import pickle
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class PlainUnpickler(pickle.Unpickler):
    def find_class(self, module, name):
        raise pickle.UnpicklingError(f"expected plain lists and numbers, got {module}.{name}: let the server call .tolist()")


def to_jpeg(png: bytes) -> bytes:
    from PIL import Image

    jpeg = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(jpeg, format="JPEG")
    return jpeg.getvalue()


def ask(request: dict, options) -> list[float]:
    pngs = [base64.b64decode(image) for image in request["images"]]
    # GenEval reads what to look for from the metadata of the prompt, the others from the prompt.
    question = {
        "images": pngs if options.png else [to_jpeg(png) for png in pngs],
        "prompts": [request["prompt"]] * len(pngs),
        "meta_datas": [{"prompt": request["prompt"], **request.get("metadata", {})}] * len(pngs),
        "only_strict": False,
    }
    with urllib.request.urlopen(options.server, data=pickle.dumps(question), timeout=options.seconds) as answer:
        return [float(reward) for reward in PlainUnpickler(io.BytesIO(answer.read())).load()[options.key]]


class BridgeHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps the connection open between requests

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            status, answer = 200, {"rewards": ask(request, self.server.options)}
        except OSError as error:  # the server is down, or says that it failed: worth another try
            status, answer = 503, {"error": str(error)}
        except Exception as error:
            status, answer = 400, {"error": f"{type(error).__name__}: {error}"}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=int)
    parser.add_argument("server", help="URL of the server that speaks pickle")
    parser.add_argument("key", help="key of the rewards in its answer")
    parser.add_argument("--png", action="store_true", help="send PNG, not JPEG")
    parser.add_argument("--seconds", type=float, default=120, help="longest wait for an answer")
    bridge = ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), BridgeHandler)
    bridge.options = parser.parse_args()
    print(f"http://127.0.0.1:{bridge.server_port}/score", flush=True)
    bridge.serve_forever()

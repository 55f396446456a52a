"""A reward service: pictures that compress well score high, minus the kilobytes of their PNG."""

import base64
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def reward(prompt: str, png: bytes) -> float:
    return -len(png) / 1000


class RewardHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps the connection open between requests

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if request["version"] != 1:
            return self.send_error(400, "expected version 1")
        pngs = [base64.b64decode(image) for image in request["images"]]
        answer = json.dumps({"rewards": [reward(request["prompt"], png) for png in pngs]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), RewardHandler)
    print(f"http://127.0.0.1:{server.server_port}/score", flush=True)
    server.serve_forever()

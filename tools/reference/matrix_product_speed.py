"""Times PyTorch's product of two square matrices in float32: `npm run bench` states shares of the best product.

    python tools/reference/matrix_product_speed.py [--size 2048] [--threads 2] [--runs 8]

Prints one line of JSON: seconds of every run but the first, by the clock and of all cores together.
"""

import argparse
import json
import time

import torch


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    left, right = torch.randn(2, options.size, options.size)
    product = torch.empty_like(left)

    seconds, cpu_seconds = [], []
    for run in range(options.runs + 1):
        started, cpu_started = time.perf_counter(), time.process_time()
        torch.mm(left, right, out=product)
        if run > 0:
            seconds.append(time.perf_counter() - started)
            cpu_seconds.append(time.process_time() - cpu_started)
    print(json.dumps({"torch": torch.__version__, "seconds": seconds, "cpuSeconds": cpu_seconds}))


if __name__ == "__main__":
    main()

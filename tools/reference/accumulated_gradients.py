"""Writes test/fixtures/accumulated-gradients.json: what accelerate makes of gradients that cross the border of an epoch.

The loop is shaped like that of hu-zijing/B2-DiffuRL's run_train.py at 96a5365: for every epoch, for every pair of samples,
for every step, one micro-batch under `Accelerator.accumulate`; no data loader is prepared. The model has one parameter a
sample and the loss of a micro-batch is the mean of the parameters of its two samples, so the gradient of an optimizer step
says how much each sample weighs in it. SGD at a rate of 1 makes that gradient the change of the parameters.

    python tools/reference/accumulated_gradients.py [output file]

Made with accelerate 1.15.0 and torch 2.15.0.
"""

import json
import pathlib
import sys

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState

# Samples, steps a sample, pairs an optimizer step, epochs. The last one never fills a step.
CASES = [(10, 3, 2, 2), (6, 2, 2, 3), (8, 1, 2, 2), (14, 2, 3, 3), (4, 2, 3, 2), (4, 2, 5, 2)]
PAIR = 2


def weights_of(samples, steps, pairs, epochs, generator):
    AcceleratorState._reset_state(True)
    GradientState._reset_state()
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=pairs * steps)
    model = torch.nn.Linear(samples, 1, bias=False, dtype=torch.float64)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    model, optimizer = accelerator.prepare(model, optimizer)
    orders, updates = [], []
    for _ in range(epochs):
        order = torch.randperm(samples, generator=generator)
        orders.append(order.tolist())
        for first in range(0, samples // PAIR * PAIR, PAIR):
            rows = torch.eye(samples, dtype=torch.float64)[order[first : first + PAIR]]
            for _ in range(steps):
                with accelerator.accumulate(model):
                    loss = model(rows).mean()
                accelerator.backward(loss)
                before = model.weight.detach().clone()
                optimizer.step()
                optimizer.zero_grad()
                if accelerator.sync_gradients:
                    updates.append((before - model.weight.detach()).flatten().tolist())
    return {
        "samples": samples,
        "samplesPerUpdate": PAIR * pairs,
        "innerEpochs": epochs,
        "orders": orders,
        "updates": [[round(weight, 12) for weight in update] for update in updates],
    }


def main():
    default = pathlib.Path(__file__).parents[2] / "test/fixtures/accumulated-gradients.json"
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    generator = torch.Generator().manual_seed(17)
    cases = [weights_of(*case, generator) for case in CASES]
    path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
    print(f"{path}: {len(cases)} cases")


if __name__ == "__main__":
    main()

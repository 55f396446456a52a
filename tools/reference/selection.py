"""Writes test/fixtures/selection.json: what the released B2-DiffuRL selects in 14 rounds.

The rule is stated here a second time, after run_select.py of hu-zijing/B2-DiffuRL, in double precision:

1. The rewards of a prompt in a round are all rewards of its groups there.
2. The memory is a list of rounds, oldest first, at most HISTORY_STAGES of them. A round is written down with the
   prompts that it had. A prompt that a round did not have gets nothing from it, but the round keeps its place.
3. The pool of a prompt: its rewards in the remembered rounds and in the current one. z = (reward - mean of the pool) /
   (standard deviation of the pool with n - 1 + 1e-8).
4. Of every group, the first of its largest z is selected where it is at least BEST, and the first of its smallest z where
   it is below WORST. Its z is the advantage.
5. Then the current round joins the memory, and the oldest beyond HISTORY_STAGES is forgotten.

Rewards are drawn so that policies improve and prompts differ; prompts are absent from rounds in several ways: now and then,
for longer than the window, until late, and after an early round. Some branches of a group have equal rewards.

    python tools/reference/selection.py [output file]
"""

import json
import pathlib
import sys

import torch

STAGES = 14
BRANCHES = 5
HISTORY_STAGES = 8
BEST, WORST = 0.5, -0.5
SEED = 17

# The rounds that have a prompt; with so many groups in each.
PRESENT = {
    "a cat washing dishes": (range(STAGES), 2),
    "a dog washing dishes": (range(0, STAGES, 2), 1),
    "a fox riding a bike": ([0, 1, 2, 12, 13], 1),
    "a bee playing chess": ([0, 9, 10], 2),
    "a bat playing chess": ([8, 13], 1),
    "an ant riding a bike": ([3, 4, 12], 1),
}


def draw_rounds():
    """Groups of each round: their prompt and the rewards of their branches, rounded so that some are equal."""
    generator = torch.Generator().manual_seed(SEED)
    rounds = []
    for round in range(STAGES):
        groups = []
        for level, (prompt, (present, count)) in enumerate(PRESENT.items()):
            for _ in range(count if round in present else 0):
                noise = torch.randn(BRANCHES, generator=generator, dtype=torch.float64)
                rewards = 0.25 + 0.01 * level + 0.004 * round + 0.02 * noise
                groups.append({"prompt": prompt, "rewards": [round(value, 2) for value in rewards.tolist()]})
        rounds.append(groups)
    return rounds


def select(groups, memory):
    """Returns the selected samples of a round, in the order of its groups, and the memory with the round in it."""
    current = {}
    for group in groups:
        current.setdefault(group["prompt"], []).extend(group["rewards"])
    pools = {
        prompt: torch.tensor([*(r for round in memory for r in round.get(prompt, [])), *own], dtype=torch.float64)
        for prompt, own in current.items()
    }
    selected = []
    for index, group in enumerate(groups):
        pool = pools[group["prompt"]]
        rewards = torch.tensor(group["rewards"], dtype=torch.float64)
        z = (rewards - pool.mean()) / (pool.std() + 1e-8)
        best, worst = z.argmax().item(), z.argmin().item()
        if z[best] >= BEST:
            selected.append({"group": index, "branch": best, "advantage": z[best].item()})
        if z[worst] < WORST:
            selected.append({"group": index, "branch": worst, "advantage": z[worst].item()})
    return selected, [*memory, current][-HISTORY_STAGES:]


def main(target):
    memory = []
    rounds = []
    for groups in draw_rounds():
        selected, memory = select(groups, memory)
        rounds.append({"groups": groups, "selected": selected})
    settings = {"historyRounds": HISTORY_STAGES, "bestThreshold": BEST, "worstThreshold": WORST}
    lines = ",\n".join(json.dumps(round) for round in rounds)
    pathlib.Path(target).write_text(f'{{"settings": {json.dumps(settings)}, "rounds": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "test/fixtures/selection.json")

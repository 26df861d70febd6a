"""Token ids to the weights of the embedded diffusion model; needs torch and numpy only, and a GPU for minutes.

    python bench/demo_diffusion/train.py --out FOLDER [--minutes 7] [--batch 512] [--device cuda]

Reads data.npz, which prepare.py wrote. The loss is that of LLaDA (arXiv 2502.09992): mask each token of the block
with a probability t that is uniform in (0, 1); the cross-entropy of the masked ones, over t. The prompt is never
masked, and the block is filled up with EOS. Writes model.safetensors (bfloat16, averaged weights), config.json and
loss.json.
"""

from __future__ import annotations

import argparse
import json
import math
import struct
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from gcd.models.demo_diffusion.network import Network, Shape

PROMPT, BLOCK = 64, 96
WARM_UP, AVERAGE = 500, 0.9995


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parent / "data" / "data.npz")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=7)
    parser.add_argument("--steps", type=int, help="by default as many as fit into the minutes")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--fill", type=int, nargs="*", default=[8, 16, 32, 64], help="steps of the last check")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high")
    options.out.mkdir(parents=True, exist_ok=True)
    data = np.load(options.data)
    size, eos, mask = (int(n) for n in data["special"])
    shape = Shape(size, options.width, options.layers, options.width // 32)
    notes = {name: padded(data, name, eos, options.device) for name in ("", "held_")}
    network = Network(shape).to(options.device)
    print(f"{sum(w.numel() for w in network.parameters()):,} weights, {len(notes[''][0]):,} records", flush=True)
    averaged, log = train(network, *notes[""], mask, options)
    for weight, mean in zip(network.parameters(), averaged, strict=True):
        weight.data.copy_(mean.bfloat16())
    for steps in options.fill:
        right = filled_right(network, *notes["held_"], mask, steps)
        log.append({"fill_steps": steps, "exactly_right": right})
        print(f"{steps} steps: {right:.1%} of the held-out blocks are exactly right", flush=True)
    (options.out / "loss.json").write_text(json.dumps(log))
    config = {
        "vocab_size": size, "width": shape.width, "layers": shape.layers, "heads": shape.heads,
        "eos_token_id": eos, "mask_token_id": mask, "block_length": BLOCK,
    }  # fmt: skip
    (options.out / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    save(options.out / "model.safetensors", network)


def padded(
    data: np.lib.npyio.NpzFile, name: str, eos: int, device: str
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Prompts, filled up on the left; their lengths; answers, filled up with EOS on the right. All int16."""
    pieces = [np.split(data[f"{name}{what}"], data[f"{name}{what[:-1]}_ends"][:-1]) for what in ("prompts", "answers")]
    prompts = np.full((len(pieces[0]), PROMPT), eos, np.int16)
    answers = np.full((len(pieces[1]), BLOCK), eos, np.int16)
    for i, (prompt, answer) in enumerate(zip(*pieces, strict=True)):
        prompts[i, PROMPT - len(prompt) :] = prompt
        answers[i, : len(answer)] = answer
    lengths = torch.tensor([len(prompt) for prompt in pieces[0]])
    return torch.from_numpy(prompts).to(device), lengths.to(device), torch.from_numpy(answers).to(device)


def canvas(prompts: torch.Tensor, lengths: torch.Tensor, block: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and which of them are seen: all but what fills up the prompt."""
    ids = torch.cat([prompts.long(), block], 1)
    return ids, torch.arange(ids.shape[1], device=ids.device) >= PROMPT - lengths[:, None]


def loss_of(
    network: Network, prompts: torch.Tensor, lengths: torch.Tensor, answers: torch.Tensor, mask: int
) -> torch.Tensor:
    """LLaDA's loss in nats a position; the t of a batch are spread evenly, which makes it less noisy."""
    target, count = answers.long(), len(answers)
    t = (torch.arange(count, device=target.device) + torch.rand((), device=target.device)) / count
    t = t[:, None].clamp(min=1e-3)
    hidden = torch.rand(target.shape, device=target.device) < t
    ids, seen = canvas(prompts, lengths, torch.where(hidden, mask, target))
    with torch.autocast("cuda", torch.bfloat16, enabled=ids.is_cuda):
        logits = network(ids, seen=seen, first=PROMPT)
    each = functional.cross_entropy(logits.float().transpose(1, 2), target, reduction="none")
    return (each * hidden / t).mean()


def train(
    network: Network, prompts: torch.Tensor, lengths: torch.Tensor, answers: torch.Tensor, mask: int,
    options: argparse.Namespace,
) -> tuple[list[torch.Tensor], list[dict[str, float]]]:  # fmt: skip
    """The weights, averaged over the last steps, and the log."""
    matrices = [w for w in network.parameters() if w.dim() == 2]
    vectors = [w for w in network.parameters() if w.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=options.rate, betas=(0.9, 0.98), fused=options.device != "cpu")
    weights = [*network.parameters()]
    averaged, log = [w.detach().clone() for w in weights], list[dict[str, float]]()
    steps, step, sums, began = options.steps or 10**9, 0, torch.zeros((), device=options.device), time.monotonic()
    while step < steps:
        done = step / steps if options.steps else (time.monotonic() - began) / (60 * options.minutes)
        if done >= 1:
            break
        rate = options.rate * min(1, (step + 1) / WARM_UP) * (0.02 + 0.98 * (1 + math.cos(math.pi * done)) / 2)
        for group in optimizer.param_groups:
            group["lr"] = rate
        chosen = torch.randint(len(answers), (options.batch,), device=options.device)
        loss = loss_of(network, prompts[chosen], lengths[chosen], answers[chosen], mask)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            torch._foreach_lerp_(averaged, [w.detach() for w in weights], 1 - min(AVERAGE, step / (step + 10)))
        sums += loss.detach()
        step += 1
        if step % 100 == 0 or step == options.steps:
            mean = sums.item() / ((step - 1) % 100 + 1)
            sums.zero_()
            seconds = time.monotonic() - began
            log.append({"step": step, "loss": round(mean, 5), "rate": rate, "seconds": round(seconds, 1)})
            if step % 500 == 0 or step == options.steps:
                print(f"step {step}, {seconds:.0f} s, loss {mean:.4f}", flush=True)
    return averaged, log


@torch.no_grad()
def filled_right(
    network: Network, prompts: torch.Tensor, lengths: torch.Tensor, answers: torch.Tensor, mask: int, steps: int
) -> float:
    """The share of blocks that come out as they should, the most certain tokens first, without any grammar."""
    block = torch.full(answers.shape, mask, dtype=torch.long, device=answers.device)
    for left in range(steps, 0, -1):
        ids, seen = canvas(prompts, lengths, block)
        logits = network(ids, seen=seen, first=PROMPT).float()
        logits[:, :, mask] = -torch.inf
        certain, best = logits.softmax(-1).max(-1)
        free = block == mask
        wanted = -(-free.sum(1) // left)
        order = certain.masked_fill(~free, -1).argsort(1, descending=True).argsort(1)
        block = torch.where(free & (order < wanted[:, None]), best, block)
    return float((block == answers.long()).all(1).float().mean())


def save(path: Path, network: Network) -> None:
    """The weights as bfloat16 in the safetensors format: the length of a JSON header, the header, the bytes."""
    header, chunks, begin = {}, [], 0
    for name, weight in network.state_dict().items():
        raw = weight.detach().cpu().bfloat16().contiguous().view(torch.int16).numpy().tobytes()
        header[name] = {"dtype": "BF16", "shape": [*weight.shape], "data_offsets": [begin, begin + len(raw)]}
        chunks.append(raw)
        begin += len(raw)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(chunks))


if __name__ == "__main__":
    main()

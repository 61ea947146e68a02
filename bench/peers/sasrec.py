"""The PyTorch side of bench/train and bench/query: SASRec and CL4SRec, one thread.

sasrec.py plain|careful fp32|bf16 LENGTHS

plain: as people write it (separate q, k, v; masked softmax; Adam as it comes). careful: as an engineer who measures writes it
(fused q, k, v; scaled_dot_product_attention; fused Adam). bf16: the same under autocast. Reads commands from standard input:
  full|natural|bucketed|infonce BATCH SECONDS   trains; answers "sequences wall_seconds cpu_seconds loss"
  encode SECONDS        one history at a time, encode and the ten best items; answers microseconds, one a query
  top ITEMS SECONDS     the ten best of ITEMS for one vector; the same
natural pads Beauty's lengths to 50; bucketed sorts them, so that a batch is padded to its own longest only.
LENGTHS: line n counts the histories of length n.
"""
import os
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"
import torch  # noqa: E402: after the thread count
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

ITEMS, L, D, HEADS, BLOCKS, UP, DROPOUT = 12101, 50, 64, 2, 2, 256, 0.2


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.out = (nn.Linear(D, D) for _ in range(4))
        self.drop = nn.Dropout(DROPOUT)
        self.register_buffer("mask", torch.triu(torch.full((L, L), -1e4), 1))

    def forward(self, x):
        B, T, _ = x.shape
        q, k, v = (f(x).view(B, T, HEADS, D // HEADS).transpose(1, 2) for f in (self.q, self.k, self.v))
        logits = torch.matmul(q, k.transpose(2, 3)) / (D // HEADS) ** 0.5 + self.mask[:T, :T]
        mixed = torch.matmul(self.drop(torch.softmax(logits, -1)), v)
        return self.out(mixed.transpose(1, 2).reshape(B, T, D))


class FusedAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.out = nn.Linear(D, 3 * D), nn.Linear(D, D)

    def forward(self, x):
        B, T, _ = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, HEADS, D // HEADS).permute(2, 0, 3, 1, 4)
        drop = DROPOUT if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=drop)
        return self.out(mixed.transpose(1, 2).reshape(B, T, D))


class Block(nn.Module):
    def __init__(self, attention):
        super().__init__()
        self.attention, self.up, self.down = attention(), nn.Linear(D, UP), nn.Linear(UP, D)
        self.norm1, self.norm2, self.drop = nn.LayerNorm(D), nn.LayerNorm(D), nn.Dropout(DROPOUT)

    def forward(self, x):
        x = self.norm1(x + self.drop(self.attention(x)))
        return self.norm2(x + self.drop(self.down(F.gelu(self.up(x)))))


class SASRec(nn.Module):
    def __init__(self, attention):
        super().__init__()
        self.item = nn.Embedding(ITEMS + 1, D, padding_idx=0)
        self.place = nn.Embedding(L, D)
        self.norm, self.drop = nn.LayerNorm(D), nn.Dropout(DROPOUT)
        self.blocks = nn.Sequential(*(Block(attention) for _ in range(BLOCKS)))
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, 0, 0.02)

    def forward(self, x):
        return self.blocks(self.drop(self.norm(self.item(x) + self.place.weight[: x.shape[1]])))


def next_item(model, x, yes, no):
    """Binary cross-entropy against one negative, on positions that hold an item."""
    hidden, asks = model(x), (x > 0).float()
    yes_logit, no_logit = (hidden * model.item(yes)).sum(-1), (hidden * model.item(no)).sum(-1)
    return ((F.softplus(-yes_logit) + F.softplus(no_logit)) * asks).sum() / asks.sum()


def contrast(a, b):
    """InfoNCE between two views, both ways, every other view of the batch a negative."""
    z = F.normalize(torch.cat([a, b]), dim=-1)
    similar = (z @ z.t() / 0.1).masked_fill(torch.eye(len(z), dtype=torch.bool), -1e9)
    n = len(a)
    return F.cross_entropy(similar, torch.cat([torch.arange(n, 2 * n), torch.arange(n)]))


def items(*shape):
    return torch.randint(1, ITEMS + 1, shape)


def batches(what, batch, counts):
    """Endless: lengths of the histories of one batch after the other."""
    lengths = torch.repeat_interleave(torch.arange(1, L + 1), counts)
    if what == "bucketed":
        cuts = lengths[: len(lengths) // batch * batch].view(-1, batch)
        while True:
            yield from cuts[torch.randperm(len(cuts))]
    while True:
        yield lengths[torch.randint(len(lengths), (batch,))] if what == "natural" else torch.full((batch,), L)


def train(model, optimiser, bf16, what, batch, limit, counts):
    wall = cpu = 0.0
    sequences, loss, model = 0, 0.0, model.train()
    for n, lengths in enumerate(batches(what, batch, counts)):
        width = int(lengths.max()) if what == "bucketed" else L
        held = torch.arange(width) < lengths[:, None]
        x, yes, no = items(batch, width) * held, items(batch, width), items(batch, width)
        views = (items(batch, L), items(batch, L)) if what == "infonce" else None
        wall_begin, cpu_begin = time.perf_counter(), time.process_time()
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            total = next_item(model, x, yes, no)
            loss = total.item()
            if views:
                total = total + 0.1 * contrast(model(views[0])[:, -1], model(views[1])[:, -1])
        total.backward()
        optimiser.step()
        if n < 2:  # warming up
            continue
        wall += time.perf_counter() - wall_begin
        cpu += time.process_time() - cpu_begin
        sequences += batch
        if wall > limit:
            return f"{sequences} {wall:.6f} {cpu:.6f} {loss:.4f}"


@torch.no_grad()
def query(run, limit):
    for _ in range(10):
        run()
    times, stop = [], time.perf_counter() + limit
    while len(times) < 5 or time.perf_counter() < stop:
        begin = time.perf_counter()
        run()
        times.append(f"{1e6 * (time.perf_counter() - begin):.1f}")
    return " ".join(times)


def main():
    kind, number, path = sys.argv[1:4]
    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = SASRec(FusedAttention if kind == "careful" else Attention)
    optimiser = torch.optim.Adam(model.parameters(), 1e-3, fused=kind == "careful")
    counts = torch.tensor([int(line) for line in open(path)])
    print(f"torch {torch.__version__} {torch.backends.cpu.get_cpu_capability()}", flush=True)
    for line in sys.stdin:
        what, *rest = line.split()
        if what == "encode":
            model.eval()
            answer = query(lambda: torch.topk(model(items(1, L))[0, -1] @ model.item.weight.t(), 10), float(rest[0]))
        elif what == "top":
            table, vector = F.normalize(torch.randn(int(rest[0]), D), dim=-1), F.normalize(torch.randn(D), dim=0)
            answer = query(lambda: torch.topk(table @ vector, 10), float(rest[1]))
        else:
            answer = train(model, optimiser, number == "bf16", what, int(rest[0]), float(rest[1]), counts)
        print(answer, flush=True)


main()

"""The PyTorch side of bench/online: the same model, objectives and schedule as the daemon's, one thread, histories grouped by length.

online.py FILE CUT EPOCHS VISITS SEED      FILE: time user item a line, in order of time; prints one line of JSON
Before the cut: epochs over the histories. After it: every event is ranked against all items seen before it is learned, and after
every 32 events there is a step on the users of the last 32 * VISITS events (loss on those events only), as many rehearsed histories
(loss everywhere), InfoNCE between a user before and after the newest events, InfoNCE between two views of 64 fresh histories, and
slow weights. CPU time is that of the steps, padding and forward to optimiser, without choosing the histories.
"""
import json
import math
import os
import random
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"
import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

D, HEADS, WINDOW, DROPOUT, NEGATIVES, EVERY, VIEWS, DAY = 64, 2, 50, 0.4, 2048, 32, 64, 86400
EDGES = torch.tensor([0, 1, 2, 4, 8, 15, 31, 61, 121, 241, 481])  # days


def bucket(seconds):
    return torch.bucketize(seconds.clamp(min=0) // DAY, EDGES, right=True)


class Model(nn.Module):
    def __init__(self, items):
        super().__init__()
        self.row = nn.Parameter(torch.randn(items, D) * 0.02)
        self.distance = nn.Parameter(torch.zeros(WINDOW, HEADS))
        self.gap_bias = nn.Parameter(torch.zeros(len(EDGES) + 1, HEADS))
        self.gap = nn.Parameter(torch.randn(len(EDGES) + 1, D) * 0.02)
        self.qkv, self.out, self.up, self.down = nn.Linear(D, 3 * D), nn.Linear(D, D), nn.Linear(D, 4 * D), nn.Linear(4 * D, D)
        self.norm1, self.norm2, self.norm, self.drop = nn.LayerNorm(D), nn.LayerNorm(D), nn.LayerNorm(D), nn.Dropout(DROPOUT)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, item, at, ask):
        """Unit user vectors (B, T, D): item, time of the event, time of the question."""
        B, T = item.shape
        x = (F.normalize(self.row[item], dim=-1) + self.gap[bucket(ask - at)]) * math.sqrt(D)
        i = torch.arange(T)
        bias = self.distance[(i[:, None] - i).clamp(0)] + self.gap_bias[bucket(ask[:, :, None] - at[:, None, :])]
        bias = bias.permute(0, 3, 1, 2).masked_fill(torch.ones(T, T, dtype=torch.bool).triu(1), -1e9)
        x = self.drop(x)
        q, k, v = self.qkv(self.norm1(x)).view(B, T, 3, HEADS, D // HEADS).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, dropout_p=DROPOUT if self.training else 0.0)
        x = x + self.drop(self.out(mixed.transpose(1, 2).reshape(B, T, D)))
        x = x + self.drop(self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh")))
        return F.normalize(self.norm(x), dim=-1)


def pad(sequences):
    """Four (B, T) tensors: item, time, time of the question, target (-1: no loss)."""
    out = np.zeros((4, len(sequences), max(len(s[0]) for s in sequences)), np.int64)
    out[3] = -1
    for b, sequence in enumerate(sequences):
        for k in range(4):
            out[k, b, : len(sequence[k])] = sequence[k]
    return torch.from_numpy(out)


def groups(sequences):
    """Of similar length: little padding."""
    group = []
    for sequence in sorted(sequences, key=lambda s: len(s[0])):
        if group and len(sequence[0]) > 1.3 * len(group[0][0]) + 2:
            yield group
            group = []
        group.append(sequence)
    if group:
        yield group


def infonce(a, b):
    return F.cross_entropy(a @ b.t() / 0.1, torch.arange(len(a)))


def view(sequence):
    item, at, ask = (list(part) for part in sequence[:3])
    n, kind = len(item), random.randrange(3)
    if kind == 0:
        width = max(2, int(0.6 * n))
        a = random.randrange(n - width + 1)
        item, at, ask = item[a : a + width], at[a : a + width], ask[a : a + width]
    elif kind == 1:
        kept = [j for j in range(n) if random.random() > 0.3] or [n - 1]
        item, at, ask = ([part[j] for j in kept] for part in (item, at, ask))
    else:
        width = max(2, int(0.5 * n))
        a = random.randrange(n - width + 1)
        part = item[a : a + width]
        random.shuffle(part)
        item[a : a + width] = part
    return item, at, ask, []


class Learner:
    def __init__(self, items):
        self.model, self.count, self.steps = Model(items), np.zeros(items), 0
        self.optimiser = torch.optim.Adam(self.model.parameters(), 3e-3, betas=(0.9, 0.98), fused=True)
        self.slow = None

    def users(self, sequences):
        """Last states of some sequences, in the order of groups()."""
        for group in groups(sequences):
            item, at, ask, _ = pad(group)
            yield group, self.model(item, at, ask)

    def next_item(self, user, target, live):
        share = torch.from_numpy((self.count + 1) / (self.count.sum() + len(live))).float()
        negative = live[torch.randint(len(live), (NEGATIVES,))]
        candidate = torch.unique(torch.cat([negative, target]))
        included = torch.log(-torch.expm1(-(NEGATIVES / len(live) + len(target) * share[candidate])))
        column = torch.searchsorted(candidate, target)
        logits = user @ F.normalize(self.model.row[candidate], dim=-1).t() * self.model.log_scale.exp() - included
        own = torch.arange(len(target))
        logits[own, column] = logits[own, column] + included[column]
        return F.cross_entropy(logits, column)

    def contrast_views(self, fresh):
        fresh = [s for s in fresh if len(s[0]) >= 3]
        fresh = random.sample(fresh, min(VIEWS, len(fresh)))
        if len(fresh) < 8:
            return 0
        both = [view(s) for s in fresh] + [view(s) for s in fresh]
        for n, s in enumerate(both):
            both[n] = (*s, n)
        last = [None] * len(both)
        for group, hidden in self.users(both):
            for r, s in enumerate(group):
                last[s[4]] = hidden[r, len(s[0]) - 1]
        return infonce(torch.stack(last[: len(fresh)]), torch.stack(last[len(fresh) :]))

    def step(self, sequences, contrast):
        """sequences: (item, time, question time, target, fresh)."""
        self.model.train()
        live = torch.from_numpy(np.nonzero(self.count)[0])
        users, targets, before, after = [], [], [], []
        for group, hidden in self.users(sequences):
            target = pad(group)[3]
            users.append(hidden[target >= 0])
            targets.append(target[target >= 0])
            for r, s in enumerate(group):
                first = next((p for p, y in enumerate(s[3]) if y >= 0), None) if s[4] else None
                if first is not None and first < len(s[3]) - 1:
                    before.append(hidden[r, first])
                    after.append(hidden[r, len(s[3]) - 1])
        if sum(len(t) for t in targets) == 0:
            return
        loss = self.next_item(torch.cat(users), torch.cat(targets), live)
        if contrast and len(before) >= 8:
            a, b = torch.stack(before[:512]), torch.stack(after[:512])
            loss = loss + 0.1 * 0.5 * (infonce(a, b) + infonce(b, a))
        if contrast:
            loss = loss + 0.1 * self.contrast_views([s for s in sequences if s[4]])
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.steps += 1
        if contrast:
            self.keep_slow()

    @torch.no_grad()
    def keep_slow(self):
        """Half of the way every eight steps; rows of new items take all of it."""
        if self.slow is None:
            self.slow, self.known = {k: p.clone() for k, p in self.model.named_parameters()}, self.count > 0
        if self.steps % 8:
            return
        new = torch.from_numpy(~self.known & (self.count > 0))
        for name, p in self.model.named_parameters():
            half = self.slow[name] + 0.5 * (p - self.slow[name])
            if name == "row":
                half[new] = p[new]
            p.copy_(half)
            self.slow[name].copy_(half)
        self.known = self.count > 0


class Stream:
    def __init__(self, path):
        self.time, self.user, self.item = np.loadtxt(path, dtype=np.int64).T
        self.user, self.item = (np.unique(x, return_inverse=True)[1] for x in (self.user, self.item))
        self.history = [([], [], []) for _ in range(self.user.max() + 1)]  # item, time, number of the event

    def append(self, k):
        for part, value in zip(self.history[self.user[k]], (int(self.item[k]), int(self.time[k]), k)):
            part.append(value)

    def rehearsed(self, u):
        item, at, _ = (part[-WINDOW - 1 :] for part in self.history[u])
        return (item[:-1], at[:-1], at[1:], item[1:], False)

    def fresh(self, first, last):
        """Users of events first..last, loss on those events only; the last position asks now."""
        for u in dict.fromkeys(self.user[first : last + 1].tolist()):
            item, at, number = (part[-WINDOW:] for part in self.history[u])
            if len(item) >= 2:
                target = [y if k >= first else -1 for y, k in zip(item[1:], number[1:])] + [-1]
                yield (item, at, at[1:] + [int(self.time[last])], target, True)


@torch.no_grad()
def rank(learner, stream, k):
    """Rank of the event's item among all seen and not in the history; None without a history."""
    item, at, _ = (part[-WINDOW:] for part in stream.history[stream.user[k]])
    if not item:
        return None
    if learner.count[stream.item[k]] == 0:
        return 1 << 20
    learner.model.eval()
    user = learner.model(*pad([(item, at, at[1:] + [int(stream.time[k])], [])])[:3])[0, -1]
    score = F.normalize(learner.model.row, dim=-1) @ user
    score[torch.from_numpy(learner.count == 0)] = -2
    wanted = score[stream.item[k]].item()
    score[torch.tensor(stream.history[stream.user[k]][0])] = -2
    return int((score > wanted).sum())


def main():
    path, cut, epochs, visits, seed = sys.argv[1], *(int(word) for word in sys.argv[2:6])
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)
    stream = Stream(path)
    learner, start = Learner(stream.item.max() + 1), int((stream.time < cut).sum())
    for k in range(start):
        stream.append(k)
        learner.count[stream.item[k]] += 1
    users = [u for u in range(len(stream.history)) if len(stream.history[u][0]) >= 2]
    total = epochs * sum(min(len(stream.history[u][0]) - 1, WINDOW) for u in users) / 1024
    for _ in range(epochs):
        random.shuffle(users)
        batch, positions = [], 0
        for u in users:
            batch.append(stream.rehearsed(u))
            positions += len(batch[-1][0])
            if positions >= 1024:
                rate = 3e-3 * min(1, (learner.steps + 1) / 100) * (1 - 0.9 * min(1, learner.steps / total))
                for group in learner.optimiser.param_groups:
                    group["lr"] = rate
                learner.step(batch, contrast=False)
                batch, positions = [], 0
    for group in learner.optimiser.param_groups:
        group["lr"] = 3e-3
    cpu, ranks = 0.0, []
    for k in range(start, len(stream.time)):
        ranks.append(rank(learner, stream, k))
        stream.append(k)
        learner.count[stream.item[k]] += 1
        if (k - start) % EVERY != EVERY - 1:
            continue
        fresh = list(stream.fresh(max(0, k + 1 - EVERY * visits), k))
        drawn = np.random.randint(0, len(stream.history), len(fresh))
        batch = fresh + [stream.rehearsed(u) for u in drawn if len(stream.history[u][0]) >= 2]
        begin = time.process_time()
        learner.step(batch, contrast=True)
        cpu += time.process_time() - begin
    ranks = np.array([r for r in ranks if r is not None])
    print(json.dumps({"questions": len(ranks), "recall@10": float((ranks < 10).mean()),
                      "cpu_s_per_1000_events": 1000 * cpu / (len(stream.time) - start)}))


main()

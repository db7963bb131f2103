"""Random float networks with branches, shared modules, writes in place and values that nobody reads."""

import random

import torch
import torch.nn.functional as F
from torch import nn

CHANNELS, SIZE = 3, 12  # of the input


class RandomNet(nn.Module):
    """A list of operations on numbered values, drawn from `seed`; one or two outputs of five classes each.

    `plan` has (operation, numbers of its inputs, name of its module or its other arguments). `shapes` are
    those of the values, without the batch; `writable` are values that may be written, the input is not.
    """

    def __init__(self, seed: int, length: int = 9):
        super().__init__()
        self.rng = random.Random(seed)
        self.plan, self.shapes, self.writable = [], [(CHANNELS, SIZE, SIZE)], {}
        self.convolution(0)
        for _ in range(length):
            self.rng.choice([
                self.convolution, self.convolution, self.again, self.activation, self.add, self.add,
                self.gate, self.concat, self.pool, self.same, self.norm,
            ])(self.rng.randrange(max(0, len(self.shapes) - 4), len(self.shapes)))  # fmt: skip
        ends = {len(self.shapes) - 1, self.rng.randrange(1, len(self.shapes))}
        self.heads = [(v, self.module(nn.Linear(self.shapes[v][0] * 4, 5))) for v in sorted(ends)]

    def module(self, module: nn.Module) -> str:
        name = f"m{len(self._modules)}"
        self.add_module(name, module)
        return name

    def value(self, operation, inputs, extra, shape, root=None):
        """`root`: the value whose memory the result shares, or None for memory of its own."""
        self.plan.append((operation, inputs, extra))
        self.shapes.append(shape)
        self.writable[len(self.shapes) - 1] = True if root is None else root != 0 and self.writable[root]

    # Each draws one operation on value v.

    def convolution(self, v):
        c, h, w = self.shapes[v]
        groups = self.rng.choice([1, 1, c])
        out = groups * self.rng.randint(1, 3) if groups > 1 else self.rng.randint(2, 6)
        kernel = self.rng.choice([1, 3])
        stride = self.rng.choice([1, 1, 2]) if h > 4 else 1
        conv = nn.Conv2d(c, out, kernel, stride, kernel // 2, groups=groups, bias=self.rng.random() < 0.5)
        self.value("module", [v], self.module(conv), (out, -(-h // stride), -(-w // stride)))
        if self.rng.random() < 0.5:
            self.norm(len(self.shapes) - 1)
        if self.rng.random() < 0.6:
            self.activation(len(self.shapes) - 1)

    def again(self, v):
        """A module that ran before runs on another value."""
        for operation, _, name in self.rng.sample(self.plan, len(self.plan)):
            module = self._modules[name] if operation == "module" else None
            if isinstance(module, nn.Conv2d) and module.in_channels == self.shapes[v][0]:
                s = module.stride[0]
                _, h, w = self.shapes[v]
                self.value("module", [v], name, (module.out_channels, -(-h // s), -(-w // s)))
                return

    def norm(self, v):
        self.value("module", [v], self.module(nn.BatchNorm2d(self.shapes[v][0])), self.shapes[v])

    def activation(self, v):
        kind = self.rng.choice(["relu", "relu6", "sigmoid"])
        if kind != "sigmoid" and self.writable.get(v) and self.rng.random() < 0.5:
            self.value(f"{kind}_", [v], None, self.shapes[v], root=v)
        else:
            self.value(kind, [v], None, self.shapes[v])

    def partners(self, v, shapes):
        return [i for i, shape in enumerate(self.shapes) if shape in shapes]

    def add(self, v):
        c, h, w = self.shapes[v]
        other = self.rng.choice(self.partners(v, [(c, h, w), (c, 1, 1)]))
        if self.writable.get(v) and self.rng.random() < 0.4:
            self.value("add_", [v, other], None, (c, h, w), root=v)
        else:
            self.value("add", self.rng.sample([v, other], 2), None, (c, h, w))
        if self.rng.random() < 0.5:
            self.activation(len(self.shapes) - 1)

    def gate(self, v):
        self.value("mean", [v], self.rng.random() < 0.5, (self.shapes[v][0], 1, 1))
        self.value("sigmoid", [len(self.shapes) - 1], None, self.shapes[-1])
        self.value("mul", [len(self.shapes) - 1, v], None, self.shapes[v])

    def concat(self, v):
        _, h, w = self.shapes[v]
        others = [i for i, shape in enumerate(self.shapes) if shape[1:] == (h, w)]
        taken = [v, *self.rng.choices(others, k=self.rng.randint(1, 2))]
        if sum(self.shapes[i][0] for i in taken) <= 12:
            self.value("cat", taken, None, (sum(self.shapes[i][0] for i in taken), h, w))

    def pool(self, v):
        c, h, w = self.shapes[v]
        if h >= 2:
            self.value(self.rng.choice(["max_pool", "avg_pool"]), [v], None, (c, h // 2, w // 2))

    def same(self, v):
        kind = self.rng.choice(["dropout", "clone", "identity_pool"])
        self.value(kind, [v], None, self.shapes[v], root=v if kind == "dropout" else None)

    def forward(self, x):
        values = [x]
        for operation, inputs, extra in self.plan:
            values.append(self.run(operation, [values[i] for i in inputs], extra))
        found = [
            self._modules[name](F.adaptive_avg_pool2d(values[v], 2).flatten(1)) for v, name in self.heads
        ]
        return found[0] if len(found) == 1 else tuple(found)

    def run(self, operation, xs, extra):
        x = xs[0]
        if operation == "module":
            return self._modules[extra](x)
        if operation == "mean":
            return x.mean((2, 3), keepdim=True) if extra else x.mean((-1, -2)).unsqueeze(2).unsqueeze(3)
        return {
            "relu": F.relu, "relu6": F.relu6, "relu_": F.relu_, "relu6_": lambda x: F.hardtanh_(x, 0, 6),
            "sigmoid": torch.sigmoid, "add": torch.add, "add_": lambda a, b: a.add_(b), "mul": torch.mul,
            "cat": lambda *xs: torch.cat(xs, 1), "dropout": lambda x: F.dropout(x, 0.5, self.training),
            "clone": torch.clone, "identity_pool": lambda x: F.adaptive_avg_pool2d(x, x.shape[2:]),
            "max_pool": lambda x: F.max_pool2d(x, 2), "avg_pool": lambda x: F.avg_pool2d(x, 2),
        }[operation](*xs)  # fmt: skip

"""torch.compile and torch.export over modules that use the operators, with a batch size that changes."""

import pytest
import torch

import icepoint
from op_samples import codes, float32, floats, frozen, int32, op, weights
from test_ops_layouts import same

BACKENDS = ("eager", "aot_eager", "inductor")


class Integers(torch.nn.Module):
    """A network of operators: convolution, a residual with a table, a pool, linear, concat."""

    def __init__(self):
        super().__init__()
        self.register_buffer("scale", float32(0.05))
        self.register_buffer("zero_point", int32(128))
        self.register_buffer("none", int32(0))
        self.register_buffer("conv", weights(4, 3, 3, 3))
        self.register_buffer("fc", weights(5, 4 * 3 * 3))
        self.register_buffer("bias", int32(*range(4)))
        self.register_buffer("multiplier", int32(2**30))
        self.register_buffer("shift", int32(40))
        self.register_buffer("table", codes(256, seed=6))

    def forward(self, x):
        q = op.quantize(x, self.scale, self.zero_point, 0, 255)
        out = (7, 0, 255)
        rule = (self.multiplier, self.shift)
        q = op.qconv2d(q, 128, self.conv, self.none, self.bias, *rule, *out, [1, 1], [1, 1, 1, 1], [1, 1], 1)
        q = op.qadd(q, 7, 2**19, op.lookup(q, self.table), 7, 2**19, 20, *out)
        q = op.qmax_pool2d(q, [2, 2], [2, 2], [0, 0, 0, 0], [1, 1], False)
        q = op.qlinear(q.flatten(1), 7, self.fc, self.none, None, *rule, *out)
        q = op.qconcat([q, q], [7, 7], int32(2**30), int32(30), *out)
        return op.dequantize(q, self.scale, self.zero_point)


@pytest.mark.parametrize("backend", BACKENDS)
def test_compile_a_module_with_a_dynamic_batch(backend):
    torch._dynamo.reset()
    module = Integers()
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend=backend)
    for n in (2, 5, 1, 7):
        x = floats(n, 3, 7, 6, seed=n)
        same(compiled(x), module(x))
        x = x.contiguous(memory_format=torch.channels_last)
        same(compiled(x), module(x))


@pytest.mark.parametrize("backend", BACKENDS)
def test_compile_a_frozen_model(backend):
    torch._dynamo.reset()
    reals, _, data, key = frozen(n=8)

    class Frozen(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("model", data)

        def forward(self, *inputs):
            return [y * 2 for y in op.run([x + 1 for x in inputs], self.model, key)]

    module = Frozen()
    compiled = torch.compile(module, fullgraph=True, dynamic=True, backend=backend)
    for n in (2, 8, 3, 1, 0):
        part = [x[:n] for x in reals]
        same(compiled(*part), module(*part))


def test_export_with_a_dynamic_batch():
    reals, _, data, key = frozen(n=8)

    class Frozen(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("model", data)

        def forward(self, inputs: list[torch.Tensor]):
            return op.run(inputs, self.model, key)

    batch = torch.export.Dim("batch", min=0)
    program = torch.export.export(Frozen(), (reals,), dynamic_shapes=([{0: batch} for _ in reals],))
    for n in (8, 3, 1):
        part = [x[:n] for x in reals]
        same(program.module()(part), op.run(part, data, key))
    assert "icepoint.run.default" in program.graph_module.code

    x = floats(4, 3, 7, 6)
    program = torch.export.export(Integers(), (x,), dynamic_shapes=({0: batch},))
    for n in (4, 3, 1):
        same(program.module()(x[:n]), Integers()(x[:n]))


@pytest.mark.parametrize("backend", BACKENDS)
def test_compile_training_with_fake_quantize(backend):
    torch._dynamo.reset()

    def loss(x, scale, zero_point):
        return (op.fake_quantize(torch.tanh(x), scale, zero_point, -8, 7, 1) * x).sum()

    compiled = torch.compile(loss, fullgraph=True, backend=backend)
    gradients = []
    for function in (loss, compiled):
        tensors = floats(2, 3, 4), float32(0.1, 0.2, 0.3), float32(0, 1, 2)
        leaves = [t.clone().requires_grad_() for t in tensors]
        function(*leaves).backward()
        gradients.append([t.grad for t in leaves])
    for got, want in zip(*gradients, strict=True):
        torch.testing.assert_close(got, want)


def test_an_error_while_compiling_keeps_its_words():
    torch._dynamo.reset()
    table = codes(255)
    compiled = torch.compile(lambda x: op.lookup(x, table), fullgraph=True, backend="eager")
    with pytest.raises(Exception, match=r"lookup\.table: has shape \(255,\)"):
        compiled(codes(2, 3))


def test_the_number_of_threads_is_not_part_of_a_compiled_graph():
    torch._dynamo.reset()
    before = icepoint.get_num_threads()
    module = Integers()
    compiled = torch.compile(module, backend="eager", fullgraph=True)
    x = floats(3, 3, 7, 6)
    try:
        for threads in (1, 2, 3):
            icepoint.set_num_threads(threads)
            same(compiled(x), module(x))
    finally:
        icepoint.set_num_threads(before)

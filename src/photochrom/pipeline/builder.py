"""Expressions that become the nodes of an ONNX graph, so that the pipeline's steps read as in NumPy.

A `Value` stands for a tensor that is not there yet. `a + b`, `a[..., 1:]` or `where(a > 1, a, b)` write nodes into the
graph of their operands. Only operators of ONNX's own set are used, as of version 18.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from photochrom.inference.onnx_file import OPSET

IR_VERSION = 10  # of the file format: what the exported generators have
Number = int | float


class Value:
    """A tensor of a graph, with the type of its numbers. Arithmetic with Python numbers takes that type over."""

    def __init__(self, graph: Graph, name: str, dtype: Any):
        self.graph = graph
        self.name = name
        self.dtype = np.dtype(dtype)

    def op(self, kind: str, *others: Any, dtype: Any = None, **attributes: Any) -> Value:
        """The result of an operator with this value first; its type is this value's, unless dtype says another."""
        return self.graph.node(kind, [self, *map(self.like, others)], [dtype or self.dtype], **attributes)[0]

    def like(self, other: Any) -> Value:
        if isinstance(other, Value):
            return other
        if isinstance(other, np.ndarray):
            return self.graph.constant(other)
        return self.graph.constant(np.array(other, self.dtype))

    def __add__(self, other: Any) -> Value:
        return self.op("Add", other)

    def __radd__(self, other: Any) -> Value:
        return self.like(other) + self

    def __sub__(self, other: Any) -> Value:
        return self.op("Sub", other)

    def __rsub__(self, other: Any) -> Value:
        return self.like(other) - self

    def __mul__(self, other: Any) -> Value:
        return self.op("Mul", other)

    def __rmul__(self, other: Any) -> Value:
        return self.like(other) * self

    def __truediv__(self, other: Any) -> Value:
        return self.op("Div", other)

    def __rtruediv__(self, other: Any) -> Value:
        return self.like(other) / self

    def __floordiv__(self, other: Any) -> Value:
        assert self.dtype == np.int64  # ONNX rounds toward zero: the same for numbers that aren't negative
        return self.op("Div", other)

    def __mod__(self, other: Any) -> Value:
        assert self.dtype == np.int64
        return self.op("Mod", other)

    def __neg__(self) -> Value:
        return self.op("Neg")

    def __matmul__(self, other: Any) -> Value:
        return self.op("MatMul", other)

    def __rmatmul__(self, other: Any) -> Value:
        return self.like(other) @ self

    def __lt__(self, other: Any) -> Value:
        return self.op("Less", other, dtype=bool)

    def __le__(self, other: Any) -> Value:
        return self.op("LessOrEqual", other, dtype=bool)

    def __gt__(self, other: Any) -> Value:
        return self.op("Greater", other, dtype=bool)

    def __ge__(self, other: Any) -> Value:
        return self.op("GreaterOrEqual", other, dtype=bool)

    def __and__(self, other: Value) -> Value:
        return self.op("And", other)

    def __invert__(self) -> Value:
        return self.op("Not")

    def __getitem__(self, key: Any) -> Value:
        """Slices as in NumPy, whose bounds may be numbers or Values; an integer takes one place of its axis."""
        keys = key if isinstance(key, tuple) else (key,)
        before = next((i for i, part in enumerate(keys) if part is Ellipsis), len(keys))
        axes = [*range(before), 0, *range(before + 1 - len(keys), 0)]
        parts = [(axis, part) for axis, part in zip(axes, keys, strict=False) if part is not Ellipsis]
        cuts = [(axis, *_bounds(part)) for axis, part in parts if part != slice(None)]
        order, starts, stops, steps = (self.graph.vector(numbers) for numbers in zip(*cuts, strict=True))
        taken = self.op("Slice", starts, stops, order, steps)
        single = [axis for axis, part in parts if isinstance(part, int)]
        return taken.squeeze(*single) if single else taken

    def cast(self, dtype: Any) -> Value:
        """The same numbers in another type; fractions are cut off where it has none."""
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self if self.dtype == dtype else self.op("Cast", dtype=dtype, to=kind)

    def length(self, axis: int) -> Value:
        """The length of an axis, an integer."""
        end = {} if axis == -1 else {"end": axis + 1}
        return self.op("Shape", dtype=np.int64, start=axis, **end).squeeze(0)

    def reshape(self, *lengths: Any) -> Value:
        return self.op("Reshape", self.graph.vector(lengths))

    def unsqueeze(self, *axes: int) -> Value:
        return self.op("Unsqueeze", np.array(axes, np.int64))

    def squeeze(self, *axes: int) -> Value:
        return self.op("Squeeze", np.array(axes, np.int64))

    def transpose(self, *axes: int) -> Value:
        return self.op("Transpose", perm=axes)

    def take(self, places: Any, axis: int = 0) -> Value:
        """The parts at places (integers, or one integer) of an axis."""
        places = places if isinstance(places, Value) else self.graph.constant(np.array(places, np.int64))
        return self.op("Gather", places, axis=axis)

    def look_up(self, places: Value) -> Value:
        """The numbers of a vector at places (n,): several times as fast as `take` in ONNX Runtime 1.30."""
        return self.op("GatherElements", places, axis=0)

    def padded(self, before: Sequence[Any], after: Sequence[Any], mode: str = "edge", value: float = 0) -> Value:
        """Longer at both ends of each axis: by copies of the edge, or (mode "constant") with a value."""
        filling = [value] if mode == "constant" else []
        return self.op("Pad", self.graph.vector([*before, *after]), *filling, mode=mode)

    def clip(self, low: Number, high: Number) -> Value:
        return self.op("Clip", low, high)

    def reduced(self, kind: str, *axes: int, keep: bool = False) -> Value:
        """Sum, Mean, Min or Max over axes."""
        return self.op(f"Reduce{kind}", np.array(axes, np.int64), keepdims=int(keep))

    def sorted(self) -> Value:
        """The numbers of a vector in rising order."""
        types = [self.dtype, np.int64]
        return self.graph.node("TopK", [self, self.length(0).reshape(1)], types, axis=0, largest=0, sorted=1)[0]


class Graph:
    """Nodes in the order in which they are written, constants, inputs and outputs."""

    def __init__(self) -> None:
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.initializers: list[TensorProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], Value] = {}
        self._nodes: list[list[onnx.NodeProto]] = [[]]  # of the graph, and of the loops and branches being written
        self._known: list[dict[Any, list[Value]]] = [{}]  # what these nodes result in
        self._weights: list[list[TensorProto]] = [[]]  # of the models inserted among them
        self._count = 0

    def input(self, name: str, dtype: Any, shape: Sequence[int | str], default: NDArray[Any] | None = None) -> Value:
        """An input. One with a default may be left out by the caller, where the runtime can do that."""
        self.inputs.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape))
        if default is not None:
            self.initializers.append(numpy_helper.from_array(default, name))
        return Value(self, name, dtype)

    def output(self, value: Value, name: str, shape: Sequence[int | str]) -> None:
        self._nodes[-1].append(helper.make_node("Identity", [value.name], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), shape))

    def constant(self, array: NDArray[Any]) -> Value:
        """A constant; equal ones are stored once."""
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            self.initializers.append(numpy_helper.from_array(array, name))
            self._constants[key] = Value(self, name, array.dtype)
        return self._constants[key]

    def vector(self, parts: Sequence[Any]) -> Value:
        """A vector of integers, each a number or a Value."""
        if not any(isinstance(part, Value) for part in parts):
            return self.constant(np.array(parts, np.int64))
        values = [part.reshape(1) if isinstance(part, Value) else self.vector([part]) for part in parts]
        return values[0] if len(values) == 1 else concat(values, 0)

    def node(self, kind: str, inputs: Sequence[Value], dtypes: Sequence[Any], **attributes: Any) -> list[Value]:
        """The results of an operator, as many as dtypes. The same operator on the same values is written once."""
        names = [value.name for value in inputs]
        key = kind, *names, *((name, str(value)) for name, value in attributes.items())
        for known in self._known:
            if key in known:
                return known[key]
        results = [self._new(dtype) for dtype in dtypes]
        self._nodes[-1].append(helper.make_node(kind, names, [value.name for value in results], **attributes))
        self._known[-1][key] = results
        return results

    def arange(self, count: Any) -> Value:
        """0, 1, ... count - 1."""
        return self.constant(np.array(0)).op("Range", count, 1)

    def filled(self, shape: Sequence[Any], value: float) -> Value:
        """A tensor of one float32 number."""
        tensor = numpy_helper.from_array(np.array([value], np.float32))
        return self.vector(shape).op("ConstantOfShape", dtype=np.float32, value=tensor)

    def loop(
        self, times: Value | None, state: Sequence[Value], body: Callable[..., Sequence[Value]], until: bool = False
    ) -> list[Value]:
        """Repeat state = body(index, *state), and return the last state.

        What body returns beyond the state is stacked over all rounds and returned behind it. until: body returns, first
        of all, whether to go on.
        """
        with self._inner() as (nodes, weights):
            index, going = self._new(np.int64), self._new(bool)
            inner = [self._new(value.dtype) for value in state]
            results = list(body(index, *inner))
            if not until:
                results = [going.op("Identity"), *results]
            given = [_info(index, []), _info(going, []), *(_info(value) for value in inner)]
            graph = helper.make_graph(nodes, "body", given, [_info(self._own(value)) for value in results], weights)
        on = self.constant(np.array(True))
        count = times if times is not None else self.constant(np.array(np.iinfo(np.int64).max))
        return self.node("Loop", [count, on, *state], [value.dtype for value in results[1:]], body=graph)

    def branch(self, condition: Value, then: Callable[[], Value], otherwise: Callable[[], Value]) -> Value:
        """One of two expressions; the other isn't computed."""
        graphs = []
        for name, expression in (("then", then), ("otherwise", otherwise)):
            with self._inner() as (nodes, weights):
                result = self._own(expression())
                graphs.append(helper.make_graph(nodes, name, [], [_info(result)], weights))
        return self.node("If", [condition], [result.dtype], then_branch=graphs[0], else_branch=graphs[1])[0]

    def insert(self, model: onnx.ModelProto, prefix: str, inputs: dict[str, Value]) -> Value:
        """All of another model, whose names get a prefix; its first output, of float32.

        Its weights stand beside its nodes: ONNX Runtime 1.32 optimizes convolutions in a loop with no others.
        """
        graph = onnx.compose.add_prefix(model, prefix).graph
        for name, value in inputs.items():
            self._nodes[-1].append(helper.make_node("Identity", [value.name], [prefix + name]))
        self._weights[-1].extend(graph.initializer)
        self._nodes[-1].extend(graph.node)
        return Value(self, graph.output[0].name, np.float32)

    def model(self, name: str) -> onnx.ModelProto:
        """The finished model, checked."""
        (nodes,), (weights,) = self._nodes, self._weights
        graph = helper.make_graph(nodes, name, self.inputs, self.outputs, self.initializers + weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(model)
        return model

    def _new(self, dtype: Any) -> Value:
        self._count += 1
        return Value(self, f"value_{self._count}", dtype)

    def _own(self, value: Value) -> Value:
        """A result of a loop or branch must be made inside it."""
        made = {name for node in self._nodes[-1] for name in node.output}
        return value if value.name in made else value.op("Identity")

    @contextmanager
    def _inner(self) -> Any:
        self._nodes.append([])
        self._known.append({})
        self._weights.append([])
        yield self._nodes[-1], self._weights[-1]
        for stack in (self._nodes, self._known, self._weights):
            stack.pop()


def _bounds(part: Any) -> tuple[Any, Any, int]:
    """Start, stop and step of a slice or an integer, none of them left out."""
    end = np.iinfo(np.int64).max
    if not isinstance(part, slice):
        return part, end if part == -1 else part + 1, 1
    step = part.step or 1
    start, stop = (0, end) if step > 0 else (end, -end)
    return start if part.start is None else part.start, stop if part.stop is None else part.stop, step


def _info(value: Value, shape: Sequence[int] | None = None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(value.name, helper.np_dtype_to_tensor_dtype(value.dtype), shape)


def where(condition: Value, yes: Any, no: Any) -> Value:
    """yes where condition holds, else no; one of them is a Value."""
    typed = yes if isinstance(yes, Value) else no
    return condition.op("Where", typed.like(yes), typed.like(no), dtype=typed.dtype)


def minimum(one: Value, other: Any) -> Value:
    return one.op("Min", other)


def maximum(one: Value, other: Any) -> Value:
    return one.op("Max", other)


def exp(value: Value) -> Value:
    return value.op("Exp")


def power(base: Value, exponent: float) -> Value:
    """Of numbers above 0."""
    return base.op("Pow", exponent)


def concat(values: Sequence[Value], axis: int) -> Value:
    return values[0].op("Concat", *values[1:], axis=axis)


def stack(values: Sequence[Value]) -> Value:
    """Values of one shape along a new first axis."""
    return concat([value.unsqueeze(0) for value in values], 0)

"""A model as graphs for ONNX Runtime: the full one, in float32, and one whose matrices are of 8-bit integers.

Both take rows of equal length without padding, so that what a graph says of a row does not hang on the rows beside it, down to
the last bit. To this end the 8-bit graph scales each token's activations by themselves (one scale for a batch would tie its
rows together), and multiplies integers exactly: weights have 7 of the 8 bits, since CPUs without VNNI add two products in 16
bits and would saturate. Weights that both graphs read, the embeddings above all, are in a file that both share.
"""

import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.external_data_helper import set_external_data
from torch import nn

from pipeline.errors import ExportError
from pipeline.exported import FULL, INT8, ONLY_FULL, SHARED
from pipeline.runtime import Graph

WEIGHT, ACTIVATION = 63, 127  # the largest magnitudes: 2 * 63 * 255 is below 2 ** 15
SMALL = 1024  # bytes; what is smaller stays inside the graph
NARROW = 8  # matrices of fewer rows are left alone
PAGE = 4096  # where a tensor may begin in a file that is mapped into memory
MICROSOFT = "com.microsoft"


def export(module: nn.Module, columns: Sequence[str], vocabulary: int, folder: Path) -> None:
    """Write both graphs of a module and their weights into `folder`.

    Args:
        module: takes the columns as tensors of shape (rows, tokens) int64, and gives one tensor.
        vocabulary: the number of token ids.

    Raises:
        ExportError: the module cannot be exported.
    """
    try:
        model = _graph(module.eval(), columns, vocabulary)
    except Exception as error:  # the exporter has many kinds, and none is of the user's making
        raise ExportError(f"the model cannot be exported to ONNX: {str(error).strip().splitlines()[0]}") from error
    nodes, added, replaced = _quantised(model)
    _outsource((t for t in model.graph.initializer if t.name not in replaced), folder / SHARED)
    _outsource((t for t in model.graph.initializer if t.name in replaced), folder / ONLY_FULL)
    onnx.save(model, folder / FULL)
    kept = [t for t in model.graph.initializer if t.name not in replaced]
    small = helper.make_graph(nodes, model.graph.name, model.graph.input, model.graph.output, [*kept, *added])
    opsets = [*model.opset_import, helper.make_opsetid(MICROSOFT, 1)]
    onnx.save(helper.make_model(small, opset_imports=opsets, ir_version=model.ir_version), folder / INT8)


def typical_error(folder: Path, columns: Sequence[str], vocabulary: int, rows: int = 64) -> float:
    """The root mean square of what the 8-bit graph's output is away from the full one's, on tokens drawn at random.

    On random tokens it is about as large as on statements, which so are not needed here (docs/experiments.md).
    """
    given = _draw(columns, vocabulary, (rows, 26))
    full, small = (Graph(folder / name, 1)({n: v.tolist() for n, v in given.items()}) for name in (FULL, INT8))
    return float(np.sqrt(np.mean((full - small) ** 2)))


def _draw(columns: Sequence[str], vocabulary: int, shape: tuple[int, int]) -> dict[str, torch.Tensor]:
    """Tokens drawn at random, the same on every call; the other columns are 0."""
    ids = torch.randint(vocabulary // 2, vocabulary, shape, generator=torch.Generator().manual_seed(13))
    return {name: ids if name == "input_ids" else torch.zeros_like(ids) for name in columns}


def _graph(module: nn.Module, columns: Sequence[str], vocabulary: int) -> ModelProto:
    anything = torch.export.Dim.DYNAMIC
    with warnings.catch_warnings(), _silent("torch.onnx"), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            tuple(_draw(columns, vocabulary, (3, 17)).values()),
            input_names=list(columns),
            output_names=["logits"],
            dynamic_shapes=tuple({0: anything, 1: anything} for _ in columns),
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise ExportError("the exporter gave nothing")
    model: ModelProto = program.model_proto
    del model.graph.value_info[:]
    for node in model.graph.node:
        del node.metadata_props[:]  # where in the source each node comes from
    return model


@contextmanager
def _silent(name: str) -> Iterator[None]:
    """Only errors of a logger and of those below it are said meanwhile."""
    loggers = [logging.getLogger(n) for n in (name, *(n for n in logging.root.manager.loggerDict if n.startswith(f"{name}.")))]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _quantised(model: ModelProto) -> tuple[list[NodeProto], list[TensorProto], set[str]]:
    """The nodes of the 8-bit graph, the tensors that it has more, and the names of those that it has no longer."""
    matrices = {t.name: t for t in model.graph.initializer if len(t.dims) == 2 and t.dims[0] > NARROW}
    constants = {
        "one": np.float32(1), "zero": np.uint8(ACTIVATION + 1), "last": np.array([-1]), "least": np.float32(1e-6),
        "top": np.float32(ACTIVATION), "step": np.float32(1 / ACTIVATION),
    }  # fmt: skip
    added = [numpy_helper.from_array(np.asarray(v), f"int8_{n}") for n, v in constants.items()]
    nodes: list[NodeProto] = []
    scaled: set[str] = set()
    replaced: set[str] = set()
    for node in model.graph.node:
        if node.op_type != "MatMul" or node.input[1] not in matrices:
            nodes.append(node)
            continue
        (given, weight), found = node.input, node.output[0]
        if given not in scaled:
            scaled.add(given)
            nodes += _scaling(given)
        if weight not in replaced:
            replaced.add(weight)
            added += _weight(matrices[weight])
        product = [f"{given}_int8", f"{weight}_int8", "int8_one", f"{weight}_scale", "int8_zero"]
        nodes.append(helper.make_node("MatMulIntegerToFloat", product, [f"{found}_unscaled"], domain=MICROSOFT))
        nodes.append(helper.make_node("Mul", [f"{found}_unscaled", f"{given}_step"], [found]))
    still = {name for node in nodes for name in node.input}
    return nodes, added, replaced - still


def _scaling(name: str) -> list[NodeProto]:
    """Nodes that bring each row of activations to its own largest magnitude, as 8-bit integers around 128."""
    make = helper.make_node
    return [
        make("Abs", [name], [f"{name}_abs"]),
        make("ReduceMax", [f"{name}_abs", "int8_last"], [f"{name}_max"], keepdims=1),
        make("Max", [f"{name}_max", "int8_least"], [f"{name}_top"]),
        make("Div", ["int8_top", f"{name}_top"], [f"{name}_factor"]),
        make("Mul", [name, f"{name}_factor"], [f"{name}_scaled"]),
        make("QuantizeLinear", [f"{name}_scaled", "int8_one", "int8_zero"], [f"{name}_int8"]),
        make("Mul", [f"{name}_top", "int8_step"], [f"{name}_step"]),
    ]


def _weight(tensor: TensorProto) -> list[TensorProto]:
    """A matrix of shape (in, out) as integers, and the scale of each of its columns."""
    values = numpy_helper.to_array(tensor)
    scale = np.maximum(np.abs(values).max(0) / WEIGHT, np.finfo(np.float32).tiny).astype(np.float32)
    whole = np.clip(np.rint(values / scale), -WEIGHT, WEIGHT).astype(np.int8)
    return [numpy_helper.from_array(whole, f"{tensor.name}_int8"), numpy_helper.from_array(scale, f"{tensor.name}_scale")]


def _outsource(tensors: Iterable[TensorProto], path: Path) -> None:
    """Move the data of tensors into a file beside the graph, which ONNX Runtime maps into memory."""
    with path.open("wb") as stream:
        for tensor in tensors:
            data = numpy_helper.to_array(tensor).tobytes()
            if len(data) < SMALL:
                continue
            stream.write(b"\0" * (-stream.tell() % PAGE))
            tensor.raw_data = data  # what is outsourced must have its data here
            set_external_data(tensor, path.name, stream.tell(), len(data))
            stream.write(data)
            tensor.ClearField("raw_data")

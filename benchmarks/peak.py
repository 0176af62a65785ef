"""How fast the encoder's matrix products are: python benchmarks/peak.py [--threads N] [--most N]

Measures this machine's peak, the best of ONNX Runtime's, PyTorch's and NumPy's products of square matrices, with 8-bit integers
and in float32; then the rate of the same kinds of products inside the classifier that ships, while it labels the dispatches, by
ONNX Runtime's own profile (which says how long each product took, and of what shapes it was). Prints both and the share, and
what share of the graphs' time goes into products.
"""

import argparse
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from pipeline.classifier import OnnxClassifier
from pipeline.corpus import load_set
from pipeline.files import read_json
from pipeline.inference import Labeller
from pipeline.runfolder import SHIPPED, model_folder
from pipeline.runtime import Graph, cores

ROOT = Path(__file__).parents[1]
SIZES, TIMES, GIGA = (512, 1024, 2048), 7, 1e9
INT8, FLOAT = KINDS = ("8-bit integers", "float32")
PRODUCTS = {"MatMulIntegerToFloat": INT8, "MatMul": FLOAT, "FusedMatMul": FLOAT, "Gemm": FLOAT}


def options(threads: int) -> onnxruntime.SessionOptions:
    """As `runtime.Graph` has them."""
    chosen = onnxruntime.SessionOptions()
    chosen.intra_op_num_threads, chosen.inter_op_num_threads = threads, 1
    chosen.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return chosen


def product(kind: str, size: int, threads: int) -> Callable[[], object]:
    """ONNX Runtime's product of two square matrices."""
    generator = np.random.default_rng(13)
    if kind == INT8:
        types, operation, result = (TensorProto.UINT8, TensorProto.INT8), "MatMulInteger", TensorProto.INT32
        given = {n: generator.integers(0, 64, (size, size)).astype(t) for n, t in (("a", np.uint8), ("b", np.int8))}
    else:
        types, operation, result = (TensorProto.FLOAT, TensorProto.FLOAT), "MatMul", TensorProto.FLOAT
        given = {n: generator.random((size, size), dtype=np.float32) for n in ("a", "b")}
    # The second matrix is part of the graph, as weights are: ONNX Runtime lays it out for the processor beforehand.
    weight = helper.make_tensor("b", types[1], (size, size), given["b"].tobytes(), raw=True)
    graph = helper.make_graph(
        [helper.make_node(operation, ["a", "b"], ["c"])],
        "product",
        [helper.make_tensor_value_info("a", types[0], (size, size))],
        [helper.make_tensor_value_info("c", result, (size, size))],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options(threads), providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"a": given["a"]})


def others(kind: str, size: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Products of other libraries."""
    import torch

    if kind == INT8:
        warnings.simplefilter("ignore")  # of PyTorch, that this will go away
        layer, given = torch.ao.nn.quantized.dynamic.Linear(size, size), torch.rand(size, size)
        yield "PyTorch", lambda: layer(given)  # also turns its input into integers: little beside the product
        return
    c, d = (torch.rand(size, size) for _ in "cd")
    yield "PyTorch", lambda: torch.mm(c, d)
    yield "NumPy", lambda: c.numpy() @ d.numpy()


def peak(kind: str, threads: int) -> float:
    """Operations a second of the fastest product; prints each library's best."""
    rates: dict[str, float] = {}
    for size in SIZES:
        for name, work in (("ONNX Runtime", product(kind, size, threads)), *others(kind, size)):
            work()
            times = []
            for _ in range(TIMES):
                began = time.perf_counter()
                work()
                times.append(time.perf_counter() - began)
            rates[name] = max(rates.get(name, 0.0), 2 * size**3 / min(times))
    print(f"  {kind}: {', '.join(f'{name} {rate / GIGA:.0f}' for name, rate in rates.items())}")
    return max(rates.values())


def profiled(graph: Graph, path: Path, folder: Path, threads: int) -> None:
    """Let a graph write its profile from now on."""
    chosen = options(threads)
    chosen.enable_profiling, chosen.profile_file_prefix = True, str(folder / path.stem)
    graph._session = onnxruntime.InferenceSession(str(path), chosen, providers=["CPUExecutionProvider"])


def operations(event: dict[str, Any]) -> int:
    """Multiplications and additions of a product in a profile."""
    (shape,) = event["args"]["output_type_shape"][0].values()
    (given,) = event["args"]["input_type_shape"][0].values()
    return 2 * prod(shape) * given[-1]


def inside(threads: int, most: int | None) -> tuple[Counter[str], Counter[str], float]:
    """Operations and seconds of each kind of product while statements are labelled, and seconds of all the graphs' nodes."""
    classifier = OnnxClassifier(model_folder(Path(SHIPPED.name)), threads)
    statements = [e.statement for e in load_set("dispatches", ROOT / "labels", ROOT).examples][:most]
    done, took, whole = Counter[str](), Counter[str](), 0.0
    with tempfile.TemporaryDirectory() as name:
        home = classifier._kept.folder()
        for graph, file in ((classifier._int8, "int8.onnx"), (classifier._full, "full.onnx")):
            profiled(graph, home / file, Path(name), threads)
        Labeller(classifier, "profiled").label_statements(statements)
        for graph in (classifier._int8, classifier._full):
            for event in read_json(Path(graph._session.end_profiling())):
                if event["cat"] != "Node" or not event["name"].endswith("_kernel_time"):
                    continue
                whole += event["dur"] / 1e6
                kind = PRODUCTS.get(event["args"]["op_name"])
                if kind:
                    done[kind] += operations(event)
                    took[kind] += event["dur"] / 1e6
    return done, took, whole


def main(arguments: Sequence[str]) -> None:
    """Print peaks, rates and shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--most", type=int, help="only so many statements")
    given = parser.parse_args(arguments)
    import torch

    torch.set_num_threads(given.threads)
    print(f"{given.threads} threads; products of square matrices, 10^9 operations a second")
    peaks = {kind: peak(kind, given.threads) for kind in KINDS}
    done, took, whole = inside(given.threads, given.most)
    print("products of the classifier")
    for kind in done:
        rate = done[kind] / took[kind]
        print(
            f"  {kind}: {rate / GIGA:.0f}, {rate / peaks[kind]:.0%} of the peak; {took[kind] / whole:.0%} of the graphs' time"
        )


if __name__ == "__main__":
    main(sys.argv[1:])

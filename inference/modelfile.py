"""Rewrite ONNX files at packaging: tables, operators, metadata, int8 rows. Needs the extra `build`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from inference.errors import BackendError, one_line

# Operators that pass ids on unchanged: what is looked up after them is still the id.
_PASSING = frozenset(
    {
        "Identity",
        "Cast",
        "Reshape",
        "Squeeze",
        "Unsqueeze",
        "Flatten",
        "Expand",
        "Transpose",
        "Slice",
        "Concat",
        "Tile",
    }
)
LEAST_ROWS = 64  # of a table that is worth int8 rows
HALF_MAX = 65504.0  # the largest float16


class ModelFile:
    """One parsed ONNX file."""

    def __init__(self, content: bytes) -> None:
        """Parse CONTENT; raise BackendError if the onnx package is missing or CONTENT is no model."""
        try:
            import onnx
        except ImportError as error:
            raise BackendError(
                "expected the package onnx for packaging, found none; pip install 'headrace[build]'"
            ) from error
        try:
            self._model: Any = onnx.load_model_from_string(content)
        except Exception as error:
            raise BackendError(
                f"expected an ONNX model, found {one_line(error)}; export the model again"
            ) from error

    def to_bytes(self) -> bytes:
        """Return the file; equal models have equal bytes."""
        content: bytes = self._model.SerializeToString(deterministic=True)
        return content

    @property
    def operators(self) -> tuple[str, ...]:
        """Return the names of the operators, with the domain of those that are not standard."""
        return tuple(
            sorted({f"{n.domain}:{n.op_type}" if n.domain else n.op_type for n in self._model.graph.node})
        )

    @property
    def opset(self) -> int:
        """Return the version of the standard operator set."""
        return next((int(o.version) for o in self._model.opset_import if not o.domain), 0)

    @property
    def metadata(self) -> dict[str, str]:
        """Return the metadata entries."""
        return {entry.key: entry.value for entry in self._model.metadata_props}

    def set_metadata(self, entries: Mapping[str, str]) -> None:
        """Put ENTRIES among the metadata."""
        merged = sorted({**self.metadata, **entries}.items())
        del self._model.metadata_props[:]
        for key, value in merged:
            self._model.metadata_props.add(key=key, value=value)

    def forget_origin(self) -> None:
        """Take out where the model was made: exporters leave the trainer's file names in its parts."""
        graph = self._model.graph
        for part in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
            part.ClearField("metadata_props")
            part.ClearField("doc_string")

    def table_rows(self) -> dict[str, int]:
        """Return for each input that visibly indexes a constant table the rows of the smallest one."""
        sizes = {t.name: int(t.dims[0]) for t in self._tables() if t.dims}
        carriers: dict[str, set[str]] = {i.name: {i.name} for i in self._model.graph.input}
        rows: dict[str, int] = {}
        for node in self._model.graph.node:  # ONNX keeps nodes in topological order
            if node.op_type == "Gather" and node.input[0] in sizes and not _axis(node):
                for name in carriers.get(node.input[1], ()):
                    rows[name] = min(rows.get(name, sizes[node.input[0]]), sizes[node.input[0]])
            elif node.op_type in _PASSING:
                carried = node.input if node.op_type == "Concat" else node.input[:1]
                names = set().union(*(carriers.get(name, set()) for name in carried))
                carriers.update({output: names for output in node.output if names})
        return rows

    def _tables(self) -> Iterator[Any]:
        yield from self._model.graph.initializer
        for node in self._model.graph.node:
            if node.op_type == "Constant":
                for attribute in node.attribute:
                    if attribute.name == "value":
                        attribute.t.name = attribute.t.name or node.output[0]
                        if attribute.t.name == node.output[0]:
                            yield attribute.t

    def quantize_rows(self) -> int:
        """Store each float table that is only looked up as int8 rows with a float16 scale; return how many.

        Gather(table) becomes Cast(Gather(int8 rows)) x Cast(Gather(scales)): a quarter of the size.
        """
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        graph = self._model.graph
        uses: dict[str, list[Any]] = {}
        for node in graph.node:
            for name in node.input:
                uses.setdefault(name, []).append(node)
        given = {output.name for output in graph.output}
        replaced = 0
        for table in [t for t in graph.initializer if _worth(t, TensorProto.FLOAT)]:
            lookups = uses.get(table.name, [])
            only = lookups and all(
                n.op_type == "Gather" and n.input[0] == table.name and not _axis(n) for n in lookups
            )
            rows = _int8_rows(numpy_helper.to_array(table)) if only and table.name not in given else None
            if rows is None:
                continue
            names = f"{table.name}.int8", f"{table.name}.scale"
            graph.initializer.remove(table)
            graph.initializer.extend(numpy_helper.from_array(a, n) for a, n in zip(rows, names, strict=True))
            for lookup in lookups:
                _replace(graph, lookup, _dequantize(helper, lookup, names))
            replaced += 1
        del graph.value_info[:]  # an exporter's shapes are stale now
        onnx.checker.check_model(self._model)
        return replaced


def _axis(node: Any) -> int:
    return next((int(a.i) for a in node.attribute if a.name == "axis"), 0)


def _worth(table: Any, float_type: int) -> bool:
    return (
        table.data_type == float_type and len(table.dims) == 2 and table.dims[0] >= LEAST_ROWS
    )  # [rows, width]


def _int8_rows(table: np.ndarray[Any, np.dtype[Any]]) -> tuple[Any, Any] | None:
    """Return int8 rows and a float16 scale per row [rows, 1], None if a scale does not fit."""
    largest = np.abs(table).max(axis=1, keepdims=True) / 127.0
    if not np.isfinite(largest).all() or largest.max() > HALF_MAX:
        return None
    # Rows are divided by the scale as it will be read, so that its own rounding adds no error.
    scales = largest.astype(np.float16)
    safe = np.where(scales > 0, scales, 1).astype(np.float32)
    return np.clip(np.rint(table / safe), -127, 127).astype(np.int8), scales


def _dequantize(helper: Any, lookup: Any, names: tuple[str, str]) -> list[Any]:
    """Return the nodes that stand for LOOKUP over int8 rows and scales."""
    from onnx import TensorProto

    output, ids = lookup.output[0], lookup.input[1]
    nodes, floats = [], []
    for name, kind in zip(names, ("rows", "scale"), strict=True):
        raw, wide = f"{output}.{kind}", f"{output}.{kind}.float"
        nodes.append(helper.make_node("Gather", [name, ids], [raw], axis=0))
        nodes.append(helper.make_node("Cast", [raw], [wide], to=TensorProto.FLOAT))
        floats.append(wide)
    return [*nodes, helper.make_node("Mul", floats, [output], name=lookup.name)]


def _replace(graph: Any, node: Any, others: list[Any]) -> None:
    at = next(i for i, each in enumerate(graph.node) if each is node or each == node)
    rest = list(graph.node)
    rest[at : at + 1] = others
    del graph.node[:]
    graph.node.extend(rest)

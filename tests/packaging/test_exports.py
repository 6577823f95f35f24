"""What `import package` offers: one sorted `__all__` for each package, complete and true."""

from __future__ import annotations

import importlib
import types

import pytest

PACKAGES = ("deploy", "featuregraph", "headrace", "inference", "stream")


def order(name: str) -> tuple[int, str]:
    """Sort constants first, then classes, then the rest, as the linter does."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


@pytest.mark.parametrize("package", PACKAGES)
def test_all_is_sorted_and_each_name_is_there(package: str) -> None:
    """`__all__` is sorted, names nothing twice, and each of its names can be had."""
    module = importlib.import_module(package)
    names = list(module.__all__)
    assert names == sorted(set(names), key=order)
    assert [name for name in names if not hasattr(module, name)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_all_is_complete(package: str) -> None:
    """What `__init__` defines or imports without an underscore is in `__all__`; submodules may be."""
    module = importlib.import_module(package)
    public = {
        name for name, value in vars(module).items() if not name.startswith("_") and name != "annotations"
    }
    modules = {name for name in public if isinstance(getattr(module, name), types.ModuleType)}
    assert public - modules <= set(module.__all__)

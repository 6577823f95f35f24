"""The wheel: what is in it, what it says of itself, and that it runs where the repository is not."""

from __future__ import annotations

import email.message
import email.parser
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import headrace

pytestmark = pytest.mark.checkout

TOP = Path(__file__).parents[2]
PACKAGES = ("deploy", "featuregraph", "headrace", "inference", "stream")
BASE = {"numpy", "lz4", "msgspec", "onnxruntime", "typer", "rich", "tzdata"}
RETAIL_DATA_MAX, RETAIL_MODEL_MAX = 1_500_000, 2_000_000  # bytes


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as an installer would."""
    out = tmp_path_factory.mktemp("dist")
    args = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(args, cwd=TOP, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def content(wheel: Path) -> dict[str, int]:
    """Return the size of each file in the wheel by its path."""
    with zipfile.ZipFile(wheel) as archive:
        return {entry.filename: entry.file_size for entry in archive.infolist()}


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> email.message.Message:
    """Return what the wheel says of itself."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.parser.Parser().parsestr(archive.read(name).decode())


def test_top_level_names_are_pinned(content: dict[str, int]) -> None:
    """The wheel brings these names and no other: a new one could take a name from somebody else."""
    info = f"headrace-{headrace.__version__}.dist-info"
    assert {path.partition("/")[0] for path in content} == {*PACKAGES, info}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_is_typed(content: dict[str, int], package: str) -> None:
    """Each package carries py.typed, so that a user's type checker reads our annotations."""
    assert f"{package}/py.typed" in content


def test_nothing_that_git_tracks_is_left_behind(content: dict[str, int]) -> None:
    """Every file of the five packages, data included, is in the wheel, and no cache is."""
    listed = subprocess.run(
        ["git", "ls-files", *PACKAGES], cwd=TOP, check=True, capture_output=True, text=True
    )
    assert set(listed.stdout.splitlines()) <= set(content)
    assert not [path for path in content if "__pycache__" in path or path.endswith(".pyc")]


def test_the_packaged_data_is_small(content: dict[str, int]) -> None:
    """The retail slice and its model stay under the sizes promised for an install on a device."""
    data = {path: size for path, size in content.items() if path.startswith("headrace/retail/")}
    model = sum(size for path, size in data.items() if path.startswith("headrace/retail/package/"))
    assert data, "the demo's data is part of the wheel"
    assert sum(data.values()) - model <= RETAIL_DATA_MAX
    assert model <= RETAIL_MODEL_MAX


def test_licence_and_notice_travel_along(content: dict[str, int], metadata: email.message.Message) -> None:
    """The wheel names Apache-2.0 and holds the full text and the notice of the data it carries."""
    licences = {path.rpartition("/")[2] for path in content if "/licenses/" in path}
    assert licences == {"LICENSE", "NOTICE"}
    assert metadata["License-Expression"] == "Apache-2.0"


def test_the_base_install_is_what_a_device_needs(metadata: email.message.Message) -> None:
    """Only the seven packages of the device path are required without an extra."""
    required = [text for text in metadata.get_all("Requires-Dist", []) if "extra ==" not in text]
    assert {text.partition(">")[0] for text in required} == BASE


def test_a_clean_environment_runs_the_wheel(wheel: Path, tmp_path: Path) -> None:
    """Installed away from the repository, the command runs and every package comes from the wheel."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(venv), "platbase": str(venv)}))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # The dependencies of this environment, without its own .pth files: those lead to the checkout.
    ours = (sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
    (site / "dependencies.pth").write_text("\n".join(ours))
    code = f"import {', '.join(PACKAGES)}; print(*(m.__file__ for m in ({', '.join(PACKAGES)})), sep='\\n')"
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}

    def run(*args: str) -> str:
        python = venv / "bin" / "python"
        return subprocess.run(
            [python, *args], cwd=tmp_path, env=env, check=True, capture_output=True, text=True
        ).stdout

    assert all(Path(file).is_relative_to(site) for file in run("-c", code).splitlines())
    assert run("-m", "headrace", "--version") == f"headrace {headrace.__version__}\n"

"""From a task's folder to a bundle: equal inputs give equal bytes, and what does not fit is refused."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy import (
    BundleError,
    Manifest,
    Policy,
    TaskError,
    card_text,
    pack,
    prove,
    read_bundle,
    write_bundle,
)
from deploy.bundle.bundle import Bundle
from deploy.bundle.streams import opened
from inference.manifest import FileEntry

pytestmark = pytest.mark.device

ALL = Policy(scripts=True)


def packed(folder: Path, out: Path, policy: Policy | None = None) -> bytes:
    """Return the bytes of FOLDER's bundle, written to OUT."""
    write_bundle(pack(folder, policy).bundle, out)
    return out.read_bytes()


def test_equal_inputs_give_equal_bytes(task: Path, tmp_path: Path) -> None:
    """Another folder of other times and rights, by a process with another hash seed."""
    ours = packed(task, tmp_path / "a.bundle")
    other = tmp_path / "elsewhere/deep/other-name"
    other.mkdir(parents=True)
    for path in sorted((p for p in task.rglob("*") if p.is_file()), reverse=True):
        copy = other / path.relative_to(task)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
        copy.chmod(0o700)
        os.utime(copy, (1, 1))
    code = (
        "import sys; from pathlib import Path; from deploy import pack, write_bundle;"
        "write_bundle(pack(Path(sys.argv[1])).bundle, Path(sys.argv[2]))"
    )
    subprocess.run(
        [sys.executable, "-c", code, other, tmp_path / "b.bundle"],
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7", "LC_ALL": "C"},
    )
    assert (tmp_path / "b.bundle").read_bytes() == ours


def test_the_form_is_fixed() -> None:
    """The bytes of a manifest and the id that they give are those of every machine and version."""
    names = ["contract.json", "golden.json", "graph.json", "manifest.json", "model.onnx"]
    files = {f"model/{name}": FileEntry(n, f"{n:064x}") for n, name in enumerate(names)}
    manifest = Manifest("a-task", "a" * 64, "b" * 64, files)
    text = manifest.to_json().decode()
    assert text.startswith(
        '{"description":"","exclusive":{},"files":{"model/contract.json":{"bytes":0,"sha256":"0'
    )
    assert text.endswith(
        f'"needs":{{"memory_bytes":null}},"schema_sha256":"{"b" * 64}","scripts":{{}},"task":"a-task"}}'
    )
    assert manifest.id == hashlib.sha256(text.encode()).hexdigest()
    assert Manifest.from_json(text.encode()) == manifest


def test_a_bundle_is_read_back(task: Path, tmp_path: Path) -> None:
    """What was packed is there, once per content, and unpacks to the same files."""
    (task / "data/again.txt").write_bytes((task / "data/words.txt").read_bytes())
    packed(task, tmp_path / "a.bundle")
    bundle = read_bundle(tmp_path / "a.bundle")
    bundle.verify()
    assert (tmp_path / "a.bundle").read_bytes().count(b"tea\nmilk\n") == 1
    assert bundle.read("data/words.txt", 100) == b"tea\nmilk\n"
    bundle.unpack(tmp_path / "out")
    for name in bundle.manifest.files:
        assert (tmp_path / "out" / name).read_bytes() == (task / name).read_bytes()
    with pytest.raises(BundleError, match="expected a free name"):
        bundle.unpack(tmp_path / "out")


def test_one_bit_of_any_input_is_another_bundle(task: Path) -> None:
    """Each file and each word of task.toml counts."""
    ids = {pack(task).bundle.id}
    (task / "data/words.txt").write_text("tea\nmilK\n", "utf-8")
    ids.add(pack(task).bundle.id)
    (task / "config.json").write_text('{"k": 11}', "utf-8")
    ids.add(pack(task).bundle.id)
    text = (task / "task.toml").read_text("utf-8")
    (task / "task.toml").write_text(text.replace("64KiB", "65KiB"), "utf-8")
    ids.add(pack(task).bundle.id)
    assert len(ids) == 4


def test_the_card_says_what_a_bundle_is(task: Path) -> None:
    """Graph, events, golden examples, files of both kinds and code are named; words cannot become HTML."""
    proof = pack(task).proof
    text = card_text(proof.card)
    assert proof.card.golden >= 3
    assert proof.card.scripts == {}
    assert "| code | none |" in text
    assert f"`{proof.graph.id}`" in text
    assert "shared file `data/words.txt` | 9 bytes" in text
    assert "exclusive file `data/taste.bin` | at most 65,536 bytes per device or user, optional" in text
    assert "&lt;b&gt;baskets&lt;/b&gt; &#124; by tea" in text


def test_other_files_are_told(task: Path) -> None:
    """What stands in the folder and is not packed is named; what Python left beside scripts is not."""
    (task / "README.md").touch()
    assert pack(task).left_out == ("README.md",)


# ---------------------------------------------------------------- scripts


def test_scripts_are_refused_unless_allowed(scripted: Path) -> None:
    """The default policy takes no code; where it is allowed the card says it first."""
    with pytest.raises(TaskError, match=r"expected a bundle without scripts, found scripts/rerank\.py"):
        pack(scripted)
    (scripted / "scripts/__pycache__").mkdir()
    (scripted / "scripts/__pycache__/rerank.pyc").touch()
    found = pack(scripted, ALL)
    assert "**Holds code**: scripts/rerank.py." in card_text(found.proof.card)
    (script,) = found.bundle.manifest.scripts.values()
    assert script.reads == {name: found.proof.graph.feature_ids[name] for name in script.reads}
    assert len(script.reads) == 2


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def run(:\n", r"scripts/rerank.py: expected Python, found invalid syntax in line 1; correct it"),
        ("x = '\0'\n", "scripts/rerank.py: expected Python"),
        ("(" * 10_000, "scripts/rerank.py: expected Python"),
        ("raise SystemExit('packing runs no script')\n", None),
        (r"x = '\d'" + "\n", None),
    ],
)
def test_a_script_is_read_and_never_run(scripted: Path, code: str, said: str | None) -> None:
    """Its syntax is checked; what it would do is not done."""
    (scripted / "scripts/rerank.py").write_text(code, "utf-8")
    if said is None:
        pack(scripted, ALL)
        return
    with pytest.raises(BundleError, match=said):
        pack(scripted, ALL)


def test_a_script_reads_features_that_there_are(scripted: Path) -> None:
    """An unknown feature is told with the nearest, and a script without an entry by its name."""
    text = (scripted / "task.toml").read_text("utf-8").replace("reads = [", 'reads = ["no_such", ')
    (scripted / "task.toml").write_text(text, "utf-8")
    (scripted / "scripts/other.py").touch()
    with pytest.raises(TaskError, match="found no 'no_such'; did you mean") as caught:
        pack(scripted, ALL)
    assert "script 'other.py': expected it in task.toml" in caught.value.differences[0]


# ---------------------------------------------------------------- what must fit


def test_a_graph_that_left_its_model_is_refused(task: Path) -> None:
    """The source that task.toml names must mean what the model was trained on; changes are named."""
    graph = (task / "model/graph.json").read_text("utf-8")
    (task / "graph.json").write_text(graph, "utf-8")
    words = (task / "task.toml").read_text("utf-8")
    (task / "task.toml").write_text('graph = "graph.json"\n' + words, "utf-8")
    pack(task)
    (task / "graph.json").write_text(json.dumps({**json.loads(graph), "key": "session_id"}), "utf-8")
    with pytest.raises(TaskError, match=r"expected the one that the model was trained on.*changed '.*train"):
        pack(task)


def test_a_model_of_another_contract_is_refused(task: Path) -> None:
    """A package whose files were exchanged is refused, whoever listed them."""
    with (task / "model/model.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(
        BundleError, match=r"model/model\.onnx: expected the file that model/manifest\.json lists"
    ):
        pack(task)


def test_the_golden_examples_run(task: Path) -> None:
    """A package whose list is right and whose model answers otherwise is refused by its own examples."""
    golden = json.loads((task / "model/golden.json").read_text("utf-8"))
    outputs = golden["cases"][1]["outputs"]
    name = next(iter(outputs))
    outputs[name] = [value + 1 for value in outputs[name]]
    content = json.dumps(golden, sort_keys=True, separators=(",", ":")).encode()
    (task / "model/golden.json").write_bytes(content)
    listed = json.loads((task / "model/manifest.json").read_text("utf-8"))
    listed["files"]["golden.json"] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (task / "model/manifest.json").write_text(json.dumps(listed), "utf-8")
    with pytest.raises(BundleError, match="golden example 1"):
        pack(task)


def test_a_device_refuses_by_policy(task: Path) -> None:
    """Size and memory have bounds of the receiver's own."""
    with pytest.raises(TaskError, match="expected at most 10 bytes, found") as caught:
        pack(task, Policy(most_bytes=10, most_memory_bytes=1 << 20))
    assert "of memory, found a need of 2097152" in caught.value.differences[1]


def test_a_bundle_of_other_parts_proves_nothing(task: Path) -> None:
    """A manifest that names another graph than its files hold is refused when it is proved."""
    bundle = pack(task).bundle
    other = Manifest.from_json(
        bundle.manifest.to_json().replace(bundle.manifest.graph_id.encode(), b"0" * 64)
    )
    with pytest.raises(BundleError, match="graph: expected id 000000000000, found"):
        prove(Bundle(other, bundle.blobs))


def test_a_file_that_changes_while_it_is_packed_is_refused(task: Path, tmp_path: Path) -> None:
    """No bundle appears: what was proved is what is written."""
    bundle = pack(task).bundle
    (task / "data/words.txt").write_text("tea\nMILK\n", "utf-8")
    with pytest.raises(BundleError, match="expected that hash"):
        write_bundle(bundle, tmp_path / "a.bundle")
    assert list(tmp_path.iterdir()) == [task]
    with opened(task / "config.json", "config.json") as file:
        assert file.read() == b'{"k": 10}'


def test_a_model_made_here_packs(made: Callable[..., Path]) -> None:
    """A package that was just written is a task with two lines more."""
    card = pack(made("a")).proof.card
    assert (card.features, card.events, card.reach_ms) == (("spend",), ("purchase",), 7 * 86_400_000)

"""What a publisher's folder and a foreign bundle may bring: refused in one line, in bounded memory."""

from __future__ import annotations

import json
import os
import random
import tracemalloc
from pathlib import Path

import pytest

from deploy import BundleError, DeployError, Manifest, TaskError, pack, read_bundle, write_bundle
from deploy.bundle import folder as folder_module
from deploy.bundle.bundlefile import MAGIC
from deploy.task import paths

pytestmark = pytest.mark.device

NAMES = {
    "/etc/passwd": "absolute",
    "../../outside": "climbs out",
    "data/../../x": "climbs out inside",
    "data/./x": "the same folder",
    "data//x": "no part",
    "data/": "a folder",
    "data\\x": "another system's separator",
    "c:/x": "a drive",
    "data/x:stream": "a stream of NTFS",
    "data/nul.txt": "a device of Windows",
    "data/COM1": "a device of Windows",
    "data/x.": "Windows drops the dot",
    "data/x ": "Windows drops the blank",
    "data/.hidden": "hidden",
    "data/x\0y": "ends early in C",
    "data/x\ny": "two lines",
    "data/caf\u00e9": "composed",
    "data/cafe\u0301": "decomposed",
    "data/\u202egnp.exe": "written from the right",
    "data/\uff0e\uff0e/x": "becomes .. when normalised",
    "data/\u212a": "folds to k",
    "a/b/c/d/e/f/g/h/i": "too deep",
    "data/" + "x" * 300: "too long",
    "": "none",
}


@pytest.mark.parametrize("name", NAMES, ids=NAMES.values())
def test_a_name_that_is_not_plain_is_refused(name: str, task: Path) -> None:
    """The rule refuses it, and so does a manifest that has it."""
    said = paths.problem(name)
    assert said is not None
    assert said.isprintable()
    text = json.loads(pack(task).bundle.manifest.to_json())
    text["files"][name] = text["files"]["data/words.txt"]
    with pytest.raises(BundleError) as caught:
        Manifest.from_json(
            json.dumps(text, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        )
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("data/Words.txt", "data/words.txt"), "differ in more than case"),
        (("data/a", "data/a/b"), "found 'data/a' as both"),
        (("data/A", "data/a/b/c"), "found 'data/A' as both"),
        (("data/a", "data/b/a"), None),
    ],
)
def test_names_that_are_one_file_somewhere_are_refused(names: tuple[str, ...], said: str | None) -> None:
    """Upper and lower case are one on some systems, and no file is a folder."""
    found = paths.clash(names)
    assert (said is None and found is None) or (said is not None and said in str(found))


def test_links_and_pipes_are_refused(task: Path, tmp_path: Path) -> None:
    """Nothing outside of the folder is packed through a link, and a pipe is not waited for."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("private", "utf-8")
    for make in (
        lambda path: path.symlink_to(secret / "key"),
        lambda path: path.symlink_to(secret),
        lambda path: path.symlink_to("nowhere"),
        os.mkfifo,
    ):
        make(task / "data/odd")
        with pytest.raises(TaskError, match=r"data/odd: expected a file"):
            pack(task)
        (task / "data/odd").unlink()
    (task / "model").rename(tmp_path / "model")
    (task / "model").symlink_to(tmp_path / "model")
    with pytest.raises(TaskError, match="model: expected a file or folder, found a link"):
        pack(task)


def test_a_file_of_ten_gigabytes_is_refused_unread(task: Path) -> None:
    """Its size is enough."""
    with (task / "data/huge.bin").open("wb") as file:
        file.truncate(10 << 30)
    with pytest.raises(
        TaskError, match=r"data/huge\.bin: expected at most 1073741824 bytes, found 10737418240"
    ):
        pack(task)


def test_too_many_files_are_refused(task: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk ends at the bound."""
    monkeypatch.setattr(folder_module, "MAX_FILES", 8)
    for n in range(10):
        (task / f"data/{n}").touch()
    with pytest.raises(TaskError, match="expected at most 8 files, found more"):
        pack(task)


TASK_FILES = {
    "": "name",
    'name = "UPPER"': "name",
    'name = "a"\nnmae = "b"': "nmae",
    "name = 1": "name",
    'name = "a"\ngraph = ""': "graph",
    'name = "a"\nmemory = "two"': "memory",
    'name = "a"\nmemory = 0': "memory",
    'name = "a"\n[exclusive."../x"]\nmost = 1': "plain relative name",
    'name = "a"\n[exclusive."words.txt"]\nmost = 1': "as both",
    'name = "a"\n[exclusive."x"]\nmost = "10GiB"': "expected 1 to 1073741824 bytes",
    'name = "a"\ndescription = "two\\nlines"': "description",
    'name = "a"\ndescription = "' + "x" * 300 + '"': "description",
    "name = " + "[" * 5_000: "task.toml",
    "\0": "task.toml",
    "name = 'a' # " + "x" * (300 << 10): "262144 bytes",
}


@pytest.mark.parametrize("text", TASK_FILES, ids=range(len(TASK_FILES)))
def test_words_that_are_none_are_refused(text: str, task: Path) -> None:
    """One line names what is wrong in task.toml."""
    (task / "task.toml").write_text(text, "utf-8")
    with pytest.raises(TaskError, match=TASK_FILES[text]) as caught:
        pack(task)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= 1_000


@pytest.mark.parametrize("content", [b"[1]", b"{", b"\xff", b"[" * 100_000, b'"x"'])
def test_a_configuration_is_a_json_object(content: bytes, task: Path) -> None:
    """Anything else is refused."""
    (task / "config.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"config\.json: expected"):
        pack(task)


# ---------------------------------------------------------------- the one file


@pytest.fixture
def content(task: Path, tmp_path: Path) -> bytes:
    """Give the bytes of a sound bundle."""
    write_bundle(pack(task).bundle, tmp_path / "sound.bundle")
    return (tmp_path / "sound.bundle").read_bytes()


def refused(path: Path, content: bytes) -> str:
    """Return the line that refuses CONTENT; it must be refused."""
    path.write_bytes(content)
    with pytest.raises(BundleError) as caught:
        read_bundle(path).verify()
    return str(caught.value)


def test_a_bundle_cut_anywhere_is_refused(content: bytes, tmp_path: Path) -> None:
    """At each boundary and in between."""
    draw = random.Random(0)
    cuts = {
        0,
        1,
        len(MAGIC),
        len(MAGIC) + 8,
        len(content) - 1,
        *(draw.randrange(len(content)) for _ in range(40)),
    }
    for cut in cuts:
        assert "expected" in refused(tmp_path / "cut.bundle", content[:cut])
    assert f"expected {len(content)} bytes" in refused(tmp_path / "long.bundle", content + b"\0")


def test_a_bundle_with_any_byte_changed_is_refused(content: bytes, tmp_path: Path) -> None:
    """In the header, the manifest or a blob: either the file is refused or its id is another."""
    sound = read_bundle(tmp_path / "sound.bundle").id
    draw = random.Random(1)
    for at in [*range(len(MAGIC) + 8), *(draw.randrange(len(content)) for _ in range(150))]:
        changed = bytearray(content)
        changed[at] ^= 1 << draw.randrange(8)
        path = tmp_path / "changed.bundle"
        path.write_bytes(changed)
        try:
            bundle = read_bundle(path)
            bundle.verify()
        except BundleError:
            continue
        assert bundle.id != sound


def test_a_length_without_end_is_refused_unread(tmp_path: Path) -> None:
    """A header that promises 2^64 bytes of manifest costs nothing."""
    said = refused(tmp_path / "x.bundle", MAGIC + b"\xff" * 8 + b"{}")
    assert "expected a manifest of at most 4194304 bytes" in said


def test_one_json_has_one_form(content: bytes, tmp_path: Path) -> None:
    """Blanks, other orders, and a key said twice are refused, though a parser would take them."""
    length = int.from_bytes(content[len(MAGIC) : len(MAGIC) + 8], "big")
    head, rest = content[len(MAGIC) + 8 :][:length], content[len(MAGIC) + 8 + length :]
    for other in (
        head + b" ",
        head.replace(b'{"description"', b'{"task":"x","description"', 1),
        head.replace(b"words.txt", rb"\u0077ords.txt"),
        json.dumps(json.loads(head), sort_keys=True).encode(),
    ):
        written = MAGIC + len(other).to_bytes(8, "big") + other + rest
        assert refused(tmp_path / "x.bundle", written).startswith("manifest: expected canonical JSON")
    for other in (b"[" * 100_000, b"null", b"{}", b"\xff", head.replace(b'"format":1', b'"format":2')):
        written = MAGIC + len(other).to_bytes(8, "big") + other + rest
        assert refused(tmp_path / "x.bundle", written).startswith("manifest: expected its JSON")


def test_memory_is_bounded(task: Path, tmp_path: Path) -> None:
    """A file of 48 MB is hashed, copied, proved and verified in a few chunks."""
    with (task / "data/large.bin").open("wb") as file:
        file.truncate(48 << 20)
    packed = pack(task)
    tracemalloc.start()
    write_bundle(packed.bundle, tmp_path / "a.bundle")
    read_bundle(tmp_path / "a.bundle").verify()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 << 20


def test_every_refusal_is_of_one_family() -> None:
    """Whoever takes foreign bundles catches one class."""
    assert issubclass(BundleError, DeployError)
    assert issubclass(TaskError, DeployError)

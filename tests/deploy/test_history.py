"""The history of a task in a store: a chain by hash that a cut, a flipped bit or two writers do not break."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy import BundleError, Commit, DeployError, HistoryError, Store, TaskError, Version, pack, prove
from deploy.bundle.bundle import Bundle
from deploy.bundle.git import origin
from deploy.bundle.refs import resolve

pytestmark = pytest.mark.device


def maker(bundle: Bundle, message: str = "first", author: str = "ann") -> Callable[[str | None], Version]:
    """Return the function that makes the version of BUNDLE after a parent."""
    made = bundle.manifest
    return lambda parent: Version(made.task, bundle.id, made.graph_id, author, message, 1_000, parent)


def keep(store: Store, task: Path, words: str) -> Version:
    """Change TASK to hold WORDS and keep it in STORE."""
    (task / "data/words.txt").write_text(words, "utf-8")
    bundle = pack(task).bundle
    return store.commit(bundle, maker(bundle, words))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Give a store that is not there yet."""
    return Store(tmp_path / "store")


def store_heads(tmp_path: Path) -> Path:
    """Return the folder of heads."""
    return tmp_path / "store/heads"


def test_versions_are_a_chain(store: Store, task: Path, tmp_path: Path) -> None:
    """Each version names its parent by hash; the newest comes first, and each bundle is still whole."""
    ids = [keep(store, task, words).id for words in ("one", "two", "three")]
    history = list(store.history("retail-rank"))
    assert [version.id for version in history] == ids[::-1]
    assert [version.parent for version in history] == [*ids[-2::-1], None]
    for version, words in zip(history, (b"three", b"two", b"one"), strict=True):
        assert store.bundle(version.bundle).read("data/words.txt", 100) == words
    prove(store.bundle(history[-1].bundle))
    for odd in (b".x.part", b"\xff", b"UPPER"):
        (store_heads(tmp_path) / os.fsdecode(odd)).touch()
    assert store.tasks() == ("retail-rank",)
    with pytest.raises(HistoryError, match="expected the task"):
        next(store.history("\udcff"))


def test_the_same_bundle_makes_no_version(store: Store, task: Path) -> None:
    """Nothing changed, nothing is added; going back to old content is a new version."""
    first = keep(store, task, "one")
    assert keep(store, task, "one").id == first.id
    keep(store, task, "two")
    again = keep(store, task, "one")
    assert (again.bundle, again.id == first.id) == (first.bundle, False)


def test_contents_are_kept_once(store: Store, task: Path, tmp_path: Path) -> None:
    """A version costs what is new of it: one blob, its manifest and itself."""
    keep(store, task, "one")
    before = len(blobs(tmp_path))
    keep(store, task, "two")
    assert len(blobs(tmp_path)) == before + 3


def blobs(tmp_path: Path) -> list[Path]:
    """Return the files of all contents."""
    return [path for path in (tmp_path / "store/blobs").rglob("*") if path.is_file()]


def test_a_reference_names_one_version(store: Store, task: Path, tmp_path: Path) -> None:
    """TASK, TASK~N and TASK@PREFIX; what names none or several is refused."""
    one, two = keep(store, task, "one"), keep(store, task, "two")
    for ref, version in (("", two), ("~0", two), ("~1", one), (f"@{one.id[:8]}", one), (f"@{two.id}", two)):
        found = resolve(f"retail-rank{ref}", store)
        assert (found.version, found.bundle.id) == (version, version.bundle)
    for ref, said in (
        ("retail-rank~2", "expected one version, found none"),
        ("retail-rank@00000000", "expected one version, found none"),
        ("other", "expected the task 'other', found retail-rank"),
        ("../../etc/passwd", "expected the task"),
        ("retail-rank@x", "expected a bundle, found"),
        ("", "expected a bundle, found"),
    ):
        with pytest.raises(HistoryError, match=said):
            resolve(ref, store)
    with pytest.raises(HistoryError, match="a task with --store"):
        resolve("retail-rank", None)


@pytest.mark.parametrize("step", range(9))
def test_a_commit_that_fails_at_any_step_leaves_the_version_before(
    step: int, store: Store, task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each sync: the head stands, all that it leads to is whole, and the commit can be made again."""
    first = keep(store, task, "one")
    calls = iter(range(100))

    def fsync(handle: int) -> None:
        if next(calls) == step:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        try:
            second = keep(store, task, "two")
        except OSError:
            assert store.head("retail-rank") in {first.id, *written(tmp_path)}
        else:
            assert store.head("retail-rank") == second.id
    head = next(store.history("retail-rank"))
    store.bundle(head.bundle).verify()
    assert keep(store, task, "two").parent == first.id
    assert [path for path in blobs(tmp_path) if path.name.startswith(".")] == []


def written(tmp_path: Path) -> set[str]:
    """Return the hashes that the store has."""
    return {path.name for path in blobs(tmp_path)}


def test_two_writers_make_one_chain(task: Path, tmp_path: Path) -> None:
    """Every version that was promised is in the history, once."""
    bundles = []
    for n in range(6):
        (task / "data/words.txt").write_text(str(n), "utf-8")
        held = Store(tmp_path / "held")  # its own copy: the folder goes on changing
        bundle = pack(task).bundle
        held.commit(bundle, maker(bundle))
        bundles.append(held.bundle(bundle.id))
    made: list[str] = []

    def write(mine: list[Bundle]) -> None:
        store = Store(tmp_path / "store")
        made.extend(store.commit(bundle, maker(bundle)).id for bundle in mine)

    threads = [threading.Thread(target=write, args=(bundles[n::2],)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = [version.id for version in Store(tmp_path / "store").history("retail-rank")]
    assert sorted(history) == sorted(made)
    assert len(set(made)) == 6


def test_damage_is_found(store: Store, task: Path, tmp_path: Path) -> None:
    """A flipped byte, a lost content and a head that is none are each one line, and never other content."""
    version = keep(store, task, "one")
    for path in blobs(tmp_path):
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises((BundleError, HistoryError), match=r"expected that hash|fetch it again"):
            prove(store.bundle(store.version(version.id).bundle))
        path.unlink()
        with pytest.raises(HistoryError, match=r"expected blob .* found none; restore the store"):
            prove(store.bundle(store.version(version.id).bundle))
        path.write_bytes(content)
    (tmp_path / "store/heads/retail-rank").write_bytes(b"\xff" * 1_000)
    with pytest.raises(HistoryError, match="expected a version's id"):
        next(store.history("retail-rank"))


def test_a_version_stands_on_whole_contents(store: Store, task: Path, tmp_path: Path) -> None:
    """What a store has damaged is written anew by the next commit that needs it."""
    keep(store, task, "one")
    for path in blobs(tmp_path):
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if len(content) % 2 else content + b"\0")
    (tmp_path / "store/heads/retail-rank").unlink()
    prove(store.bundle(keep(store, task, "one").bundle))


@pytest.mark.parametrize(
    ("author", "message"),
    [
        ("", "m"),
        ("two\nlines", "m"),
        ("a" * 300, "m"),
        ("a", ""),
        ("a", "\x1b[2J"),
        ("a", "\x9b2J"),
        ("\udcff", "m"),
    ],
)
def test_words_that_no_version_may_have_are_refused(
    author: str, message: str, store: Store, task: Path
) -> None:
    """Nothing is kept, and nothing can steer the terminal of who reads the history."""
    bundle = pack(task).bundle
    with pytest.raises(HistoryError, match="correct its author or message"):
        store.commit(bundle, maker(bundle, message, author))
    assert store.tasks() == ()


# ---------------------------------------------------------------- git


@pytest.fixture
def tree(task: Path) -> Path:
    """Give a task's folder inside of a working tree of git, committed."""
    git(task.parent, "init", "-q")
    git(task.parent, "add", "task")
    git(task.parent, "commit", "-q", "-m", "Rank by tea\n\nLonger words.")
    return task


def git(folder: Path, *words: str) -> str:
    """Run git in FOLDER as somebody."""
    call = ["git", "-c", "user.name=Ann", "-c", "user.email=ann@shop.example", "-C", str(folder), *words]
    return subprocess.run(call, check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_is_recorded(tree: Path) -> None:
    """Its id, the folder in its tree, its author and its message."""
    found = origin(tree)
    assert found.commit == Commit(git(tree, "rev-parse", "HEAD"), "task")
    assert (found.author, found.message) == ("Ann <ann@shop.example>", "Rank by tea\n\nLonger words.")


@pytest.mark.parametrize("change", ["edit", "add", "ignored", "remove"])
def test_files_that_are_no_commit_are_refused(change: str, tree: Path) -> None:
    """A changed, added, ignored or removed file would make the recorded commit a lie."""
    if change == "edit":
        (tree / "data/words.txt").write_text("milk\n", "utf-8")
    elif change == "remove":
        (tree / "data/words.txt").unlink()
    else:
        (tree / "data/more.txt").touch()
    if change == "ignored":
        (tree.parent / ".git/info/exclude").write_text("more.txt\n", "utf-8")
    with pytest.raises(TaskError, match=r"expected the files of a commit, found 'task/data/"):
        origin(tree)
    if change == "edit":
        git(tree, "commit", "-q", "-am", "Milk")
        assert origin(tree).message == "Milk"


def test_what_python_leaves_is_no_change(tree: Path) -> None:
    """Compiled scripts are not packed, so they do not count."""
    before = origin(tree)
    (tree / "data/__pycache__").mkdir()
    (tree / "data/__pycache__/x.pyc").touch()
    assert origin(tree) == before


def test_a_folder_outside_of_git_is_refused(task: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, what git itself says in it."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(task.parent))
    with pytest.raises(DeployError, match="expected a commit of git, found: not a git repository"):
        origin(task)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DeployError, match="expected git to answer"):
        origin(task)

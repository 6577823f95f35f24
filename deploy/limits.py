"""Named bounds for everything that a bundle, a history or a ruleset brings from outside; sizes in bytes."""

from __future__ import annotations

from typing import Final

CHUNK: Final = 1 << 20  # what is read at once of a file of any size

MAX_FILE: Final = 1 << 30
MAX_BUNDLE: Final = 2 << 30  # all files of a bundle together
MAX_FILES: Final = 4_096
MAX_MANIFEST: Final = 4 << 20
MAX_TASK_FILE: Final = 256 << 10
MAX_SCRIPT: Final = 1 << 20
MAX_CONFIG: Final = 1 << 20
MAX_BINS: Final = 4 << 20
MAX_GRAPH: Final = 16 << 20
MAX_VERSION: Final = 64 << 10

MAX_PATH: Final = 240  # characters of a file's name with its folders
MAX_DEPTH: Final = 8  # folders and the file itself
MAX_LINE: Final = 256  # characters of a title, an author
MAX_MESSAGE: Final = 16 << 10
MAX_HISTORY: Final = 100_000  # versions that a reference may go back

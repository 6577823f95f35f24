"""The command line by which the public suite tuf-conformance drives a client, here the one of a device.

    python -m deploy.trust.conformance --metadata-dir DIR init ROOT
    python -m deploy.trust.conformance --metadata-dir DIR --metadata-url URL refresh
    python -m deploy.trust.conformance --metadata-dir DIR --metadata-url URL --target-dir DIR
        --target-base-url URL --target-name NAME... download

Its form is that suite's CLIENT-CLI.md. Exit codes: 0 done, 1 refused.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from deploy.errors import TrustError
from deploy.trust import files
from deploy.trust.client import TrustedTargets

MAX_TARGET = 1 << 30  # bytes


def main(argv: Sequence[str] | None = None) -> int:
    """Do what ARGV says and return the exit code."""
    asked = _parser().parse_args(argv)
    try:
        if asked.command == "init":
            files.put(asked.metadata_dir / "root.json", asked.root.read_bytes())
            return 0
        client = TrustedTargets(asked.metadata_dir, asked.metadata_url, asked.target_base_url or "")
        client.refresh()
        if asked.command == "download":
            for name in asked.target_name:
                client.fetch(name, asked.target_dir / quote(name, ""), MAX_TARGET)
    except (TrustError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--metadata-dir", type=Path, required=True)
    parser.add_argument("--metadata-url")
    parser.add_argument("--target-name", action="append", default=[])
    parser.add_argument("--target-dir", type=Path)
    parser.add_argument("--target-base-url")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("init").add_argument("root", type=Path)
    commands.add_parser("refresh")
    commands.add_parser("download")
    return parser


if __name__ == "__main__":
    sys.exit(main())

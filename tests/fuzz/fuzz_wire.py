"""Long fuzzing of the wire's decoders with atheris; the suite has the short form.

    pip install atheris
    python tests/fuzz/fuzz_wire.py TARGET [CORPUS-DIR] [libFuzzer options]

Each decoder has its own door, so that the octets need not first find the way to it: `message`,
`attributes`, `capabilities`, `nlri`; `file` (any capture file), `blocks` (pcapng), `frames` (every
link layer); `fragments`, `segments` (cut, lost, repeated and moved as the octets say) and
`conversation` (messages behind sound OPENs). Most go through every form of output.

A finding is any exception that is not labgen's, or a run beyond libFuzzer's `-timeout` and
`-rss_limit_mb`. A selection of the corpus, and whatever is found, is kept in tests/data/fuzz/ as
lines of hexadecimal and replayed by tests/unit/capture/test_fuzz_corpus.py.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[2]))
with atheris.instrument_imports(include=["labgen"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()

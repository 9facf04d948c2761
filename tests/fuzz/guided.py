"""One target in a process of its own, its inputs guided by the lines they reach: `python -m tests.fuzz.guided NAME`.

The folder comes next, then libFuzzer's own options. Seeds are written into the folder first; what an input broke is
printed at the end, with the input's file. atheris ends the process itself.
"""

from __future__ import annotations

import sys
from hashlib import sha1
from pathlib import Path

import atheris

_GUIDED_BY = ["receiver", "defusedxml", "python_multipart", "jwt", "http_message_signatures", "http_sf"]


def main(name: str, folder: Path, *options: str) -> None:
    """Try one target until its time is over or something breaks."""
    with atheris.instrument_imports(include=_GUIDED_BY, enable_loader_override=False):
        from tests.fuzz import load_targets

        target = load_targets()[name]
    corpus, words = folder / "corpus", folder / "words"
    corpus.mkdir()
    for number, seed in enumerate(target.seeds()):
        (corpus / f"seed-{number:03}").write_bytes(seed)
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
    longest = max([target.largest, *(file.stat().st_size for file in corpus.iterdir())])
    sizes = [f"-max_len={longest}", f"-artifact_prefix={folder}/"]
    sizes += [f"-dict={words}"] if target.words else []

    def run(data: bytes) -> None:
        try:
            target.run(data)
        except BaseException:
            (folder / f"crash-{sha1(data, usedforsecurity=False).hexdigest()}").write_bytes(data)
            raise

    atheris.Setup([sys.argv[0], *sizes, *options, str(corpus)], run)
    atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])

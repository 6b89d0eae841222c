"""readme - README.md as the tests see it: its code blocks, and the tables that the program or its source dictates.

    python tests/lib/readme.py build/usaged      writes those tables anew
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Optional

ROOT = Path(__file__).resolve().parent.parent.parent
README = ROOT / "README.md"


def section(name: str) -> str:
    """What stands between <!-- name --> and <!-- end -->."""
    return _find(name)[2]


def blocks(language: str, text: Optional[str] = None) -> list[str]:
    """The fenced code blocks of a language, in order; those of another page, or of a part of it, if its text is given."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text() if text is None else text, flags=re.M | re.S)


def settings_table(binary: str) -> str:
    """As the program prints it."""
    return subprocess.run([binary, "settings", "--markdown"], capture_output=True, text=True, check=True).stdout


def reasons_table() -> str:
    """Of the dead-letter reasons, from the one table in the source."""
    return _table(("reason", "when"), "service/usage/reason.h")


def outcomes() -> list[str]:
    """Their names, in order."""
    return [name for name, _ in _entries("service/usage/outcome.h")]


def _table(head: tuple[str, str], source: str) -> str:
    rows = [f"| `{name}` | {text} |" for name, text in _entries(source)]
    return "\n".join([f"| {head[0]} | {head[1]} |", "| --- | --- |", *rows, ""])


def _entries(source: str) -> list[tuple[str, str]]:
    """X(SYMBOL, "name", "text" "and more") of a list of that kind."""
    code = (ROOT / source).read_text().replace("\\\n", "")
    found = re.findall(r'X\(\w+,\s*"([^"]+)"((?:[\s,]*"[^"]*")*)\s*\)', code)
    return [(name, "".join(re.findall(r'"([^"]*)"', rest))) for name, rest in found]


def _find(name: str) -> tuple[int, int, str]:
    text = README.read_text()
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", text, flags=re.S)
    assert found, f"README.md has no section <!-- {name} -->"
    return found.start(1), found.end(1), found.group(1)


def _replace(name: str, table: str) -> None:
    start, end, _ = _find(name)
    text = README.read_text()
    README.write_text(text[:start] + table + text[end:])


if __name__ == "__main__":
    _replace("settings", settings_table(sys.argv[1]))
    _replace("reasons", reasons_table())

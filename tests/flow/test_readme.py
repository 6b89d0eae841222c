"""What README.md says of settings, reasons and outcomes is what the program does."""

import re

from lib import readme
from rig.service import binary_path

MEND = "run: tests/install.sh python tests/lib/readme.py build/usaged"


def test_the_settings_are_those_that_the_program_prints():
    assert readme.section("settings") == readme.settings_table(binary_path()), MEND


def test_the_dead_letter_reasons_are_those_of_the_source():
    table = readme.reasons_table()

    assert len(table.splitlines()) == 2 + 16 and "| `too-large` | the value is longer" in table
    assert readme.section("reasons") == table, MEND


def test_each_outcome_is_explained_once_in_the_sources_order():
    said = re.search(r"\| outcome \| .*?\n\n", readme.README.read_text(), flags=re.S)

    assert re.findall(r"^\| `(\w+)` \|", said.group(0), flags=re.M) == readme.outcomes() != []


def test_every_link_to_a_file_leads_somewhere():
    for page in ("README.md", "CONTRIBUTING.md", "service/ARCHITECTURE.md", "docs/wire.md", "docs/performance.md",
                 "docs/protocol/README.md", "schemas/README.md"):
        text = (readme.ROOT / page).read_text()
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
            if not target.startswith(("http://", "https://")):
                assert ((readme.ROOT / page).parent / target).exists(), f"{page}: {target}"

"""What README.md says of settings, reasons and outcomes is what the program does."""

import re

import pytest

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


PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "service/ARCHITECTURE.md", "docs/wire.md", "docs/http.md", "docs/partners.md",
         "docs/performance.md", "docs/protocol/README.md", "schemas/README.md")


def anchors(page):
    """Those that GitHub makes of a page's headings, and the page's own."""
    text = page.read_text()
    made = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)", text, flags=re.M)}
    return made | set(re.findall(r'<a id="([^"]+)">', text))


@pytest.mark.parametrize("name", PAGES)
def test_every_link_to_a_file_or_a_heading_leads_somewhere(name):
    page = readme.ROOT / name
    for target in re.findall(r"\]\(([^)\s]+)[^)]*\)", page.read_text()):
        if target.startswith(("http://", "https://")):
            continue
        path, _, heading = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists() and (not heading or heading in anchors(file)), f"{name}: {target}"

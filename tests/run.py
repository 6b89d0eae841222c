"""run - runs unit tests and pytest suites, and ends with the one line "N passed, M failed".

    run.py [--unit PROGRAM...] [--pytest ARGUMENT...]

A skipped test, a test program that cannot be started and a suite without tests count as failures.
"""

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

UNIT_SECONDS = 300


def count(report: Path) -> tuple[int, list[str]]:
    """Passed, and the names of all that did not pass, of a JUnit file."""
    passed, failed = 0, []
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        bad = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        name = f"{case.get('classname') or ''} {case.get('name')}".strip()
        if bad:
            failed.append(f"{name} ({bad[0]})")
        else:
            passed += 1
    return passed, failed


def unit(program: str, folder: Path) -> tuple[int, list[str]]:
    """cmocka does not write over a file that exists, so each program has a folder of its own."""
    name = Path(program).name
    reports = folder / name
    reports.mkdir()
    env = {**os.environ, "CMOCKA_MESSAGE_OUTPUT": "XML", "CMOCKA_XML_FILE": str(reports / "%g.xml")}
    started = time.monotonic()
    try:
        done = subprocess.run([program], env=env, capture_output=True, text=True, errors="replace",
                              timeout=UNIT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"{name}: {error}")
        return 0, [f"{name}: {error}"]
    passed, failed = 0, []
    for report in sorted(reports.glob("*.xml")):
        more, bad = count(report)
        passed += more
        failed += [f"{name} {one}" for one in bad]
    if done.returncode != 0 and not failed:
        failed.append(f"{name}: exit {done.returncode}")
    if passed == 0 and not failed:
        failed.append(f"{name}: no tests")
    print(f"{name}: {passed} passed, {len(failed)} failed, {time.monotonic() - started:.1f} s", flush=True)
    if failed:
        for report in sorted(reports.glob("*.xml")):
            print(report.read_text(errors="replace")[-4000:])
        print(done.stdout[-4000:], done.stderr[-4000:])
    return passed, failed


def suite(arguments: list[str], folder: Path) -> tuple[int, list[str]]:
    report = folder / "pytest.xml"
    # Schemathesis is run as a program; its plugin would cost each pytest process two seconds.
    code = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:schemathesis",
                           f"--junitxml={report}", *arguments], check=False).returncode
    if not report.exists():
        return 0, [f"pytest: exit {code}, no report"]
    passed, failed = count(report)
    if code != 0 and not failed:
        failed.append(f"pytest: exit {code}")
    return passed, failed


def main(arguments: list[str]) -> int:
    programs: list[str] = []
    pytest: list[str] = []
    target = programs
    for one in arguments:
        if one in ("--unit", "--pytest"):
            target = programs if one == "--unit" else pytest
        else:
            target.append(one)
    passed, failed = 0, []
    with tempfile.TemporaryDirectory(prefix="usaged-run-") as name:
        for program in programs:
            more, bad = unit(program, Path(name))
            passed, failed = passed + more, failed + bad
        if pytest:
            more, bad = suite(pytest, Path(name))
            passed, failed = passed + more, failed + bad
    for one in failed:
        print(f"failed: {one}")
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

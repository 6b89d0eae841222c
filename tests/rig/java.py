"""java - a part that runs on a Java virtual machine, and how that starts in half the time."""

import hashlib
import os
from pathlib import Path

from .part import Part

_HERE = Path(__file__).resolve().parent


def parts_folder() -> Path:
    """The folder that tests/install.sh made for this very pom.xml."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256((_HERE / "pom.xml").read_bytes()).hexdigest()[:12]
    folder = base / "usaged" / f"parts-{digest}"
    if not folder.is_dir():
        raise SystemExit(f"{folder} is not there: run tests/install.sh first")
    return folder


class JavaPart(Part):
    """The first orderly end leaves the classes that it had loaded in an archive beside the jars; each start after
    it maps them instead of loading them again. An archive of another Java version is ignored by the machine."""

    def java(self, quick: bool) -> list[str]:
        """The command and its options. `quick` starts sooner and runs slower: right for tests, wrong for figures."""
        command = ["java", "-XX:+UseSerialGC", "-Djava.net.preferIPv4Stack=true",
                   # Nothing in the system's folder for temporary files: a SIGKILL would leave it there.
                   "-XX:-UsePerfData", f"-Djava.io.tmpdir={self.folder}"]
        if quick:
            command.append("-XX:TieredStopAtLevel=1")
        if self._archive().exists():
            command += ["-Xshare:auto", "-Xlog:disable", f"-XX:SharedArchiveFile={self._archive()}"]
        else:
            command += ["-Xlog:disable", f"-XX:ArchiveClassesAtExit={self._fresh_archive()}"]
        return command

    def stop(self) -> None:
        super().stop()
        fresh = self._fresh_archive()
        if fresh.exists():
            new = self._archive().with_suffix(f".{os.getpid()}")
            new.write_bytes(fresh.read_bytes())
            new.rename(self._archive())
            fresh.unlink()

    def discard(self) -> None:
        if self._archive().exists():
            self.kill()
        else:
            self.stop()

    def _archive(self) -> Path:
        return parts_folder() / f"{self.name}.jsa"

    def _fresh_archive(self) -> Path:
        return self.folder / "classes.jsa"

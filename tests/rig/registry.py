"""registry - one Apicurio Registry on 127.0.0.1, spoken to by Confluent's API."""

from pathlib import Path
from typing import Sequence

import requests

from .java import JavaPart, parts_folder
from .ports import free_port


class Registry(JavaPart):
    """Keeps its schemas over a restart and a kill, unless it is told to come back empty."""

    name = "registry"

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.port = free_port()
        self.root = f"http://127.0.0.1:{self.port}"
        self.url = f"{self.root}/apis/ccompat/v7"

    def command(self) -> Sequence[str]:
        jar = next((parts_folder() / "apicurio").glob("*-runner.jar"))
        return [*self.java(quick=True), "-Xmx256m",
                "-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={self.port}",
                f"-Dquarkus.datasource.jdbc.url=jdbc:h2:file:{self.folder}/schemas;WRITE_DELAY=0",
                "-Dregistry.ccompat.legacy-id-mode.enabled=true", "-Dquarkus.log.console.json=false",
                "-Dregistry.limits.config.cache.check-period=0",
                "-jar", str(jar)]

    def answers(self) -> bool:
        return requests.get(f"{self.url}/subjects", timeout=2).status_code == 200

    def restart(self, wait: bool = True, empty: bool = False) -> None:
        self.stop()
        if empty:
            for file in self.folder.glob("schemas.*"):
                file.unlink()
        self.start(wait)

    def subjects(self) -> list[str]:
        answer = requests.get(f"{self.url}/subjects", timeout=10)
        answer.raise_for_status()
        return answer.json()

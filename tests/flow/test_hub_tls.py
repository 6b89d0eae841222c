"""Listeners with https: whose certificate is trusted, and whose is not."""

import ssl
import subprocess

import pytest
from lib.faults import lines
from lib.hub import Hub, check_numbers
from rig.wait import until


def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


class Authority:
    """Makes certificates in a folder; `file` is what others trust."""

    def __init__(self, folder, name):
        self.folder, self.name, self.file = folder, name, folder / f"{name}.pem"
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / f"{name}.key", "-out", self.file,
                "-days", "1", "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE")

    def context(self, host):
        """A server's that says to be `host`."""
        stem = self.folder / f"{self.name}-{host.replace(':', '-')}"
        key, request, cert, more = (stem.with_suffix(end) for end in (".key", ".csr", ".crt", ".ext"))
        more.write_text(f"subjectAltName={host}\n")
        openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-subj", "/CN=listener")
        openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.file.with_suffix(".key"), "-CAcreateserial",
                "-days", "1", "-extfile", more, "-out", cert)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        return context


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    folder = tmp_path_factory.mktemp("authorities")
    return Authority(folder, "ours"), Authority(folder, "another")


def test_only_a_certificate_of_the_authority_for_this_very_host_is_told(scene, listening, authorities):
    ours, another = authorities
    hub = Hub(scene, {"hub.ca-file": ours.file})
    good = listening(tls=ours.context("IP:127.0.0.1"))
    stranger = listening(tls=another.context("IP:127.0.0.1"))
    elsewhere = listening(tls=ours.context("IP:127.0.0.2,DNS:partner.example.net"))
    ids = {one: hub.register(one.url) for one in (good, stranger, elsewhere)}

    hub.numbered(0, 8)

    good.wait(8)
    check_numbers(good, 0, 8, scene.partitions)

    def tries(listener):
        with scene.connect() as db:
            return db.execute("SELECT max(failures) FROM hub_position WHERE listener = %s", (ids[listener],)).fetchone()[0]

    for one, words in ((stranger, "certificate"), (elsewhere, "127.0.0.1|host name")):
        hub.service.wait_log(f"listener fails, .*listener={ids[one]} host={one.url} why=.*({words})")
        until("it is tried again", lambda: tries(one) > 1)
        assert not one.tried
    elsewhere.close()
    renewed = listening(port=elsewhere.port, tls=ours.context("IP:127.0.0.1"))
    renewed.wait(8, 60)
    check_numbers(renewed, 0, 8, scene.partitions)
    assert not stranger.tried and not lines(hub.service, f"listener fails.*listener={ids[good]}")
    hub.client.close()


@pytest.mark.parametrize("text, words", [(None, "No such file"), ("nonsense\n", "no certificate in PEM")])
def test_a_file_without_a_certificate_stops_the_start_and_is_named(scene, tmp_path, text, words):
    file = tmp_path / "authorities.pem"
    if text is not None:
        file.write_text(text)
    service = scene.service(settings={"hub.ca-file": file})
    service.migrate()

    done = service.run("run", check=False)

    assert done.returncode == 1 and "hub.ca-file" in done.stderr and str(file) in done.stderr and words in done.stderr

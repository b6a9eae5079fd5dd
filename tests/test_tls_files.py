"""TLS files that cannot be used, and how they are reported at startup."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from support.app import StartApp
from support.certificates import Mount, Pair
from support.process import FREE_PORTS, run_tokenwire
from tokenwire.config import SettingsError, load

PAIR = Pair()
CERTIFICATE = "TOKENWIRE_TLS_CERTIFICATE_FILE"
KEY = "TOKENWIRE_TLS_KEY_FILE"
CLIENT_CA = "TOKENWIRE_TLS_CLIENT_CA_FILE"
FILES = {CERTIFICATE: "tls.crt", KEY: "tls.key", CLIENT_CA: "ca.crt"}


def damaged(pem: bytes) -> bytes:
    """Return the first half of a PEM file."""
    return pem[: len(pem) // 2]


def encrypted(pem: bytes) -> bytes:
    key = serialization.load_pem_private_key(pem, None)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )


def of_another_algorithm(_: bytes) -> bytes:
    return trustme.CA(key_type=trustme.KeyType.RSA).issue_cert("a").private_key_pem.bytes()


def of_a_short_key(_: bytes) -> bytes:
    """Return a certificate whose RSA key is too short for TLS."""
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505 - it must be rejected
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "short")])
    begin = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), 1, begin, begin.replace(year=2126)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def mount(tmp_path: Path) -> Mount:
    return Mount(tmp_path).put(PAIR, PAIR.authority)


UNUSABLE: list[tuple[str, Callable[[bytes], bytes], str]] = [
    (CERTIFICATE, lambda _: b"", "must hold a certificate in PEM"),
    (CERTIFICATE, lambda _: PAIR.key, "must hold a certificate in PEM"),
    (CERTIFICATE, damaged, "a certificate in it is damaged"),
    (CERTIFICATE, lambda pem: pem + damaged(pem), "a certificate in it is damaged"),
    (CERTIFICATE, of_a_short_key, "cannot be used: ee key too small"),
    (KEY, lambda _: b"", "must hold a private key in PEM"),
    (KEY, lambda _: PAIR.certificate, "must hold a private key in PEM"),
    (KEY, damaged, "the private key in it is damaged"),
    (KEY, encrypted, "must not be encrypted"),
    (KEY, lambda _: Pair().key, f"is not the key of the certificate in {CERTIFICATE}"),
    (KEY, of_another_algorithm, f"is not the key of the certificate in {CERTIFICATE}"),
    (CLIENT_CA, lambda _: b"\n", "must hold a certificate in PEM"),
    (CLIENT_CA, damaged, "a certificate in it is damaged"),
]


async def test_a_file_that_cannot_be_used_is_one_line(
    start_app: StartApp, mount: Mount, subtests: pytest.Subtests
) -> None:
    """The line names the variable, the file and the problem, and contains nothing of the key."""
    for variable, change, problem in UNUSABLE:
        with subtests.test(variable=variable, problem=problem):
            mount.put(PAIR, PAIR.authority)
            path = mount[FILES[variable]]
            path.write_bytes(change(path.read_bytes()))
            with pytest.raises(SettingsError) as caught:
                await start_app(**mount.settings)
            [line] = caught.value.problems
            assert line.startswith(f"{variable}={path}: {problem}")
            assert PAIR.key.decode().splitlines()[1] not in line


async def test_a_missing_file_is_one_line(
    start_app: StartApp, mount: Mount, subtests: pytest.Subtests
) -> None:
    """A missing file is reported with its variable."""
    for variable in FILES:
        with subtests.test(variable=variable):
            settings = mount.put(PAIR, PAIR.authority).settings
            mount[FILES[variable]].unlink()
            with pytest.raises(SettingsError) as caught:
                await start_app(**settings)
            missing = (
                f"{variable}={mount[FILES[variable]]}: cannot be read: No such file or directory"
            )
            assert caught.value.problems == [missing]


async def test_every_bad_file_is_told_at_once(start_app: StartApp, mount: Mount) -> None:
    """Each unusable file has its own line, so that one start reports them all."""
    mount.put_files({"tls.crt": b"", "tls.key": b"", "ca.crt": b""})
    with pytest.raises(SettingsError) as caught:
        await start_app(**mount.settings)
    assert [line.partition("=")[0] for line in caught.value.problems] == list(FILES)


async def test_a_server_that_cannot_start_holds_no_port(start_app: StartApp, mount: Mount) -> None:
    """A bad file is found before any port is opened, so that the ports stay free."""
    app = await start_app()
    mount["tls.key"].write_bytes(b"")
    with pytest.raises(SettingsError) as caught:
        await start_app(**mount.settings, metrics_listen=app.metrics_address)
    assert [line.partition("=")[0] for line in caught.value.problems] == [KEY]


HALVES = [
    ([CERTIFICATE], f"{KEY} is not set; set it too, or unset {CERTIFICATE} to serve without"),
    ([KEY], f"{CERTIFICATE} is not set; set it too, or unset {KEY} to serve without TLS"),
    ([CLIENT_CA], f"{CLIENT_CA} is set, but the server has no TLS; set {CERTIFICATE} and"),
]


def test_half_of_tls_is_told(monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests) -> None:
    """A certificate without its key, or a client authority without both, is a settings error."""
    for given, told in HALVES:
        with subtests.test(given=given, told=told), monkeypatch.context() as patched:
            patched.setenv("OPENAI_API_KEY", "sk-any")
            for variable in given:
                patched.setenv(variable, "/etc/tls/some.pem")
            with pytest.raises(SettingsError) as caught:
                load()
            [line] = caught.value.problems
            assert line.startswith(told)


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_the_program_ends_with_2(mount: Mount, workers: str) -> None:
    """`tokenwire serve` prints the same line and exits with code 2, also with workers."""
    mount["tls.key"].write_bytes(Pair().key)
    env = {**FREE_PORTS, **mount.environment, "TOKENWIRE_WORKERS": workers}
    done = await run_tokenwire("serve", "--demo", env=env)
    assert done.code == 2
    problem = f"is not the key of the certificate in {CERTIFICATE}"
    assert done.stderr == f"tokenwire: {KEY}={mount['tls.key']}: {problem}\n"

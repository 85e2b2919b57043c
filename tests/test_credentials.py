"""Content credentials (C2PA), signed with certificates that these tests make, and read by the C2PA library."""

import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from photochrom import cli
from photochrom.coloring import Output, Request, color
from photochrom.errors import EncodingError, InputError
from photochrom.photo.credentials import SIGNABLE, read_credentials, sign
from photochrom.photo.marked import read_marked
from photochrom.photo.metadata.marking import COLORED, read_mark
from photochrom.photo.metadata.reading import read_metadata
from photochrom.photo.photograph import Photograph
from photochrom.settings import FORMATS

c2pa = pytest.importorskip("c2pa")

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from signer import PEM, PLAIN, make_files

GRAY = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Path, Path]:
    return make_files(tmp_path_factory.mktemp("signer"), ec.generate_private_key(ec.SECP256R1()))


def manifest_of(content: bytes, format: str) -> tuple[str, dict]:
    said = json.loads(c2pa.Reader(f"image/{format}", io.BytesIO(content)).json())
    return said["validation_state"], said["manifests"][said["active_manifest"]]


@pytest.mark.parametrize("format", [name for name in FORMATS if name in SIGNABLE])
def test_color_versions_are_signed(loud, files, tmp_path, format):
    source = Photograph(GRAY).encode("png")
    (one,) = color(source, "x", Request(output=Output(format, credentials=read_credentials(*files))), loud)
    state, manifest = manifest_of(one.content, format)
    assert state == "Valid" and one.left_out == ()
    (ingredient,) = manifest["ingredients"]
    assert (ingredient["relationship"], ingredient["format"]) == ("parentOf", "image/png")
    assert "thumbnail" not in ingredient and "thumbnail" not in manifest
    actions = next(each for each in manifest["assertions"] if each["label"].startswith("c2pa.actions"))
    assert [each["action"] for each in actions["data"]["actions"]] == ["c2pa.opened", "c2pa.color_adjustments"]
    assert actions["data"]["actions"][1]["digitalSourceType"] == COLORED
    assert read_mark(read_metadata(one.content)) is not None
    path = tmp_path / f"x.{format}"
    path.write_bytes(one.content)
    assert read_marked(path).unchanged is True
    changed = bytearray(one.content)
    changed[one.content.index(b"photochrom:Strength>1") + 20] = ord("2")
    path.write_bytes(changed)
    assert read_marked(path).unchanged is False


@pytest.mark.parametrize("kind", ["ec384", "ed25519", "rsa"])
def test_kinds_of_keys(tmp_path, kind):
    key = {
        "ec384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
    }[kind]()
    plain = Photograph(GRAY).encode("jpeg")
    content = sign(plain, "jpeg", read_credentials(*make_files(tmp_path, key)), plain, "jpeg")
    assert manifest_of(content, "jpeg")[0] == "Valid"


def test_a_source_that_cannot_be_an_ingredient(loud, files):
    output = Output("jpeg", credentials=read_credentials(*files))
    (one,) = color(Photograph(GRAY).encode("bmp"), "x", Request(output=output), loud)
    state, manifest = manifest_of(one.content, "jpeg")
    assert state == "Valid" and not manifest.get("ingredients")


def test_a_signed_photograph_that_is_colored_loses_its_signature_and_keeps_it_as_an_ingredient(loud, files):
    credentials = read_credentials(*files)
    plain = Photograph(GRAY).encode("jpeg")
    signed = sign(plain, "jpeg", credentials, plain, "jpeg")
    (one,) = color(signed, "x", Request(), loud)
    assert one.left_out[0].startswith("content credentials (C2PA)")
    with pytest.raises(c2pa.C2paError):
        manifest_of(one.content, "jpeg")
    (again,) = color(signed, "x", Request(output=Output(credentials=credentials)), loud)
    assert manifest_of(again.content, "jpeg")[1]["ingredients"][0]["active_manifest"]


def test_bmp_has_no_signature_and_says_so(loud, files):
    output = Output("bmp", credentials=read_credentials(*files))
    (one,) = color(Photograph(GRAY).encode("png"), "x", Request(output=output), loud)
    assert "the signature, which BMP can't hold" in one.left_out


def test_what_cannot_be_signed_is_one_line(files, loud):
    bad = replace(read_credentials(*files), algorithm="es512")
    with pytest.raises(EncodingError, match="can't be signed") as caught:
        list(color(Photograph(GRAY).encode("png"), "x.png", Request(output=Output(credentials=bad)), loud))
    assert "\n" not in str(caught.value) and str(caught.value).startswith("x.png ")


def test_mistakes_with_certificates(tmp_path, files, cat, monkeypatch):
    source = tmp_path / "cat.jpg"
    source.write_bytes(cat)
    chain, key = files
    other = tmp_path / "other.pem"
    other.write_bytes(ec.generate_private_key(ec.SECP256R1()).private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, PLAIN))  # fmt: skip
    locked = tmp_path / "locked.pem"
    locked.write_bytes(ec.generate_private_key(ec.SECP256R1()).private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")))  # fmt: skip
    for arguments, message in (
        (("--certificate", chain), "signing needs both --certificate and --key"),
        (("--certificate", tmp_path / "none", "--key", key), "cannot read"),
        (("--certificate", source, "--key", key), "cat.jpg is not a certificate in PEM form"),
        (("--certificate", chain, "--key", source), "cat.jpg is not a private key in PEM form"),
        (("--certificate", chain, "--key", other), "other.pem is not the key of the certificate"),
        (("--certificate", chain, "--key", locked), "locked.pem is protected by a password"),
    ):
        result = CliRunner().invoke(cli.main, ["colorize", str(source), *map(str, arguments)])
        assert result.exit_code == 2 and message in result.output and result.output.count("\n") == 1, arguments
    monkeypatch.setitem(sys.modules, "c2pa", None)
    result = CliRunner().invoke(cli.main, ["colorize", str(source), "--certificate", str(chain), "--key", str(key)])
    assert result.exit_code == 2 and "pip install 'photochrom[c2pa]'" in result.output
    assert [path.name for path in tmp_path.iterdir() if "color" in path.name] == []


def test_the_command_line_signs_and_tells(tmp_path, files, cat, monkeypatch):
    source, target = tmp_path / "cat.jpg", tmp_path / "new.jpg"
    source.write_bytes(cat)
    arguments = [source, "-o", target, "--working-size", 32, "--certificate", files[0], "--key", files[1]]
    result = CliRunner().invoke(cli.main, ["colorize", *map(str, arguments)])
    assert (result.exit_code, result.output) == (0, "")
    assert manifest_of(target.read_bytes(), "jpeg")[0] == "Valid"
    assert "unchanged" in CliRunner().invoke(cli.main, ["info", str(target)]).output
    monkeypatch.setitem(sys.modules, "c2pa", None)
    assert "not known: it is signed" in CliRunner().invoke(cli.main, ["info", str(target)]).output


def test_keys_are_not_shown(files):
    credentials = read_credentials(*files)
    assert "PRIVATE KEY" not in repr(credentials) and credentials.key.decode() not in repr(credentials)
    with pytest.raises(InputError, match="cannot read"):
        read_credentials(files[0], files[1].with_name("none"))

"""Content credentials (C2PA): signing a color version with the user's certificate (the `c2pa` extra).

Nothing is fetched and nothing is sent: there is no time stamp of an authority, and a signature is checked by itself.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from photochrom import __version__
from photochrom.errors import EncodingError, InputError, MissingExtra, reason_of
from photochrom.photo.metadata.marking import COLORED

SIGNABLE = ("jpeg", "png", "webp", "tiff", "avif", "heic")
CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
# No thumbnails, which may be larger than a small picture; no network.
SETTINGS: dict[str, Any] = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_sign": False},
}


@dataclass(frozen=True)
class Credentials:
    """What signs. certificate: the chain in PEM, the signer's first. key: its private key in PEM."""

    certificate: bytes
    key: bytes = field(repr=False)
    algorithm: str


def read_credentials(certificate: Path, key: Path) -> Credentials:
    """Read a certificate and its key from PEM files. Raises InputError, or MissingExtra."""
    _library()
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    chain, private = _read(certificate), _read(key)
    try:
        signer = x509.load_pem_x509_certificates(chain)[0]
    except (ValueError, IndexError) as error:
        raise InputError(f"{certificate} is not a certificate in PEM form") from error
    try:
        loaded = serialization.load_pem_private_key(private, None)
    except TypeError as error:
        raise InputError(f"{key} is protected by a password: give a key without one") from error
    except Exception as error:  # of several kinds
        raise InputError(f"{key} is not a private key in PEM form") from error
    if loaded.public_key() != signer.public_key():
        raise InputError(f"{key} is not the key of the certificate {certificate}")
    return Credentials(chain, private, _algorithm(loaded, key))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {reason_of(error)}") from error


def _algorithm(key: Any, path: Path) -> str:
    """C2PA's name for what a key signs with. Raises InputError."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in CURVES:
        return CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    raise InputError(f"{path} is a key that content credentials can't be signed with: use EC P-256, Ed25519 or RSA")


def sign(content: bytes, format: str, credentials: Credentials, source: bytes, source_format: str) -> bytes:
    """The content of a finished color version, signed. Raises EncodingError if it can't be.

    source: the file that was colored; its own credentials stay readable as an ingredient's.
    """
    c2pa = _library()
    mime = f"image/{format}"
    try:
        with c2pa.Context(settings=c2pa.Settings.from_dict(SETTINGS)) as context:
            manifest = {"claim_generator_info": [{"name": "photochrom", "version": __version__}]}
            builder = c2pa.Builder(manifest, context)
            action = {"action": "c2pa.color_adjustments", "softwareAgent": {"name": "photochrom"}}
            action |= {"digitalSourceType": COLORED}
            if source_format in SIGNABLE:
                builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
                described = {"title": "the photograph before it was colored", "relationship": "parentOf"}
                builder.add_ingredient(described, f"image/{source_format}", io.BytesIO(source))
                builder.add_action(action)
            else:  # a source that can't be an ingredient
                kind = c2pa.C2paDigitalSourceType.COMPOSITE_WITH_TRAINED_ALGORITHMIC_MEDIA
                builder.set_intent(c2pa.C2paBuilderIntent.CREATE, kind)
            algorithm = credentials.algorithm.encode()
            info = c2pa.C2paSignerInfo(algorithm, credentials.certificate, credentials.key, None)
            signed = io.BytesIO()
            with c2pa.Signer.from_info(info) as signer:
                builder.sign(signer, mime, io.BytesIO(content), signed)
    except c2pa.C2paError as error:
        raise EncodingError(f"can't be signed: {reason_of(error)}") from error
    return signed.getvalue()


def is_signature_valid(content: bytes, format: str) -> bool:
    """Whether a signed file is as it was signed; who signed it is not checked. Raises MissingExtra."""
    c2pa = _library()
    try:
        with c2pa.Context(settings=c2pa.Settings.from_dict(SETTINGS)) as context:
            reader = c2pa.Reader(f"image/{format}", io.BytesIO(content), context=context)
            state = json.loads(reader.json()).get("validation_state")
    except c2pa.C2paError:
        return False
    return state in ("Valid", "Trusted")


def _library() -> Any:
    try:
        import c2pa
    except ImportError as error:
        raise MissingExtra("content credentials", "c2pa") from error
    return c2pa

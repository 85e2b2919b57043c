"""A certificate of our own, and its key, for tests that sign."""

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PEM, PLAIN = serialization.Encoding.PEM, serialization.NoEncryption()
YEARS = datetime.timedelta(days=3650)
BEGAN = datetime.datetime(2026, 1, 1)


def key_use(**given: bool) -> x509.KeyUsage:
    names: tuple[str, ...] = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
    )
    names += ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: given.get(name, False) for name in names})


def certificate(name: str, key, authority: str, signer, *, is_authority: bool) -> x509.Certificate:
    def named(text: str) -> x509.Name:
        parts = ((NameOID.ORGANIZATION_NAME, "Town archive"), (NameOID.COMMON_NAME, text))
        return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])

    use = key_use(key_cert_sign=True, crl_sign=True) if is_authority else key_use(digital_signature=True)
    builder = (
        x509.CertificateBuilder(named(authority), named(name), key.public_key(), x509.random_serial_number())
        .not_valid_before(BEGAN)
        .not_valid_after(BEGAN + YEARS)
        .add_extension(x509.BasicConstraints(is_authority, None), True)
        .add_extension(use, True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False)
    )
    if not is_authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
    return builder.sign(signer, hashes.SHA256())


def make_files(folder: Path, key) -> tuple[Path, Path]:
    """The chain and the key as files in a folder."""
    authority = ec.generate_private_key(ec.SECP256R1())
    chain = [certificate("Archive", key, "Authority", authority, is_authority=False)]
    chain.append(certificate("Authority", authority, "Authority", authority, is_authority=True))
    paths = folder / "chain.pem", folder / "key.pem"
    paths[0].write_bytes(b"".join(each.public_bytes(PEM) for each in chain))
    paths[1].write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, PLAIN))
    return paths

"""Certificates for tests of encrypted connections."""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def certificate() -> tuple[bytes, bytes]:
  """A new key, and its self-signed certificate of `localhost`, in PEM."""
  key = ec.generate_private_key(ec.SECP256R1())
  name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, 'localhost')])
  start = datetime.datetime(2020, 1, 1)
  signed = (
    x509.CertificateBuilder()
    .subject_name(name)
    .issuer_name(name)
    .public_key(key.public_key())
    .serial_number(1)
    .not_valid_before(start)
    .not_valid_after(start + datetime.timedelta(days=36500))
    .add_extension(
      x509.SubjectAlternativeName([x509.DNSName('localhost')]), critical=False
    )
    .sign(key, hashes.SHA256())
  )
  pem = serialization.Encoding.PEM
  return key.private_bytes(
    pem,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
  ), signed.public_bytes(pem)

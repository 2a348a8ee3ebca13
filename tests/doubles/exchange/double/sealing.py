"""MS-WSMV 2.2.9.1: a SOAP body sealed by the security context, in a MIME of its own kind."""

import re
import struct

CONTENT = "multipart/encrypted"
BOUNDARY = b"Encrypted Boundary"
PROTOCOL = "application/HTTP-SPNEGO-session-encrypted"


def is_sealed(content_type):
    return content_type.casefold().startswith(CONTENT)


def unseal(context, body):
    parts = re.split(rb"--\s*Encrypted Boundary(?:--)?\r\n", body, maxsplit=2)
    if len(parts) != 3:
        raise ValueError("not a sealed body")
    length = int(parts[1].split(b"Length=")[1].split()[0])
    payload = parts[2].split(b"\r\n", 1)[1]
    payload = re.sub(rb"--\s*Encrypted Boundary--(?:\r\n)?$", b"", payload)
    size = struct.unpack("<i", payload[:4])[0]
    plain = context.unwrap_winrm(payload[4:4 + size], payload[4 + size:])
    if len(plain) != length:
        raise ValueError("the length of the sealed body is not what it says")
    return plain


def seal(context, body, spaced):
    """Seals an answer; IIS in front of Exchange writes its boundary with a space that no standard knows."""
    header, data, padding = context.wrap_winrm(body)
    mark = b"-- " + BOUNDARY if spaced else b"--" + BOUNDARY
    out = b"\r\n".join([
        mark, b"\tContent-Type: " + PROTOCOL.encode(),
        f"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={len(body) + padding}".encode(),
        mark, b"\tContent-Type: application/octet-stream", b""])
    out += struct.pack("<i", len(header)) + header + data + mark + b"--\r\n"
    return f'{CONTENT};protocol="{PROTOCOL}";boundary="{BOUNDARY.decode()}"', out

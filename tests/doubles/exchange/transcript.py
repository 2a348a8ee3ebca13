"""Prints a recorded conversation in a form that does not change from run to run.

`python transcript.py DIRECTORY`: each request and answer with its action, its SOAP without what is random, and the
messages inside the fragments. Identifiers become numbers in the order in which they first appear.
"""

import base64
import pathlib
import re
import struct
import sys
from xml.etree import ElementTree

from psrpcore.types import PSRPMessageType

RSP = "{http://schemas.microsoft.com/wbem/wsman/1/windows/shell}"
GUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")


def fragments(data):
    """Yields (object, data, end) of each fragment."""
    while data:
        number, _, flags, length = struct.unpack(">QQBI", data[:21])
        yield number, data[21:21 + length], bool(flags & 2)
        data = data[21 + length:]


def messages(data, open_messages):
    for number, part, end in fragments(data):
        whole = open_messages.pop(number, b"") + part
        if not end:
            open_messages[number] = whole
            continue
        kind = PSRPMessageType(struct.unpack("<I", whole[4:8])[0])
        yield f"  {kind.name}: {whole[40:].decode('utf-8-sig')}"


def stream_texts(root):
    for element in root.iter():
        name = element.tag.rsplit("}", 1)[-1]
        if name in ("Stream", "Arguments", "creationXml") and element.text:
            yield element


def show(path, open_messages, before):
    """One envelope. How often a client had to ask for output is chance, so Receives in a row are one."""
    root = ElementTree.fromstring(path.read_bytes())
    body = []
    for element in stream_texts(root):
        body += messages(base64.b64decode(element.text), open_messages)
        element.text = "…"
    text = ElementTree.tostring(root, encoding="unicode")
    text = re.sub(r"(http://)[^/<]*(?=/)(?=[^<]*</\w+:(?:To|Address)>)", r"\1HOST", text)
    if "ReceiveResponse>" in text:
        return body, before
    asks = RSP[1:-1] + "/Receive<" in text
    what = re.sub(r"MessageID>[^<]*<", "MessageID><", text)
    return ([] if asks and what == before else [f"{path.stem[4:]} {text}"]) + body, what


def main():
    lines, before, open_messages = [], None, {"request": {}, "answer": {}}
    # Each request before its answer, or a second Receive would show by where the first one stands.
    order = sorted(pathlib.Path(sys.argv[1]).glob("*.xml"), key=lambda path: (path.stem[:3], "request" not in path.stem))
    for path in order:
        side = path.stem.rsplit("-", 1)[-1]
        more, before = show(path, open_messages[side], before)
        lines += more
    seen = {}
    text = GUID.sub(lambda found: f"{{{seen.setdefault(found[0].upper(), len(seen) + 1)}}}", "\n".join(lines))
    print(re.sub(r"TimeStamp=[^\]]*\] (\[[^\]]*\]) [0-9A-F]+,", r"TimeStamp=… \1 …,", text))


if __name__ == "__main__":
    main()

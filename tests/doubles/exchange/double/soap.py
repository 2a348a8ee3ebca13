"""The SOAP of WS-Management: requests in, answers and faults out."""

import base64
import re
import uuid
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

NS = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "p": "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd",
    "rsp": "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
    "x": "http://schemas.xmlsoap.org/ws/2004/09/transfer",
    "f": "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault",
    "pwsh": "http://schemas.microsoft.com/powershell",
}
TRANSFER = NS["x"] + "/"
SHELL = NS["rsp"] + "/"
FAULT_ACTION = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"

INVALID_SELECTORS = 2150858843
OPERATION_TIMEOUT = 2150858793
INVALID_RESOURCE_URI = 2150858811
QUOTA_SHELLS = 2150859173
ACCESS_DENIED = 5


class Fault(Exception):
    """A WSMan fault: a code, a text, and the SOAP subcode that goes with it."""

    def __init__(self, code, text, subcode="w:InternalError", status=500):
        super().__init__(text)
        self.code = code
        self.text = text
        self.subcode = subcode
        self.status = status


class Request:
    """One request, taken apart."""

    def __init__(self, body):
        root = ElementTree.fromstring(body)
        header = root.find("s:Header", NS)
        self.body = root.find("s:Body", NS)
        self.action = header.findtext("a:Action", "", NS)
        self.uri = header.findtext("w:ResourceURI", "", NS)
        self.message = header.findtext("a:MessageID", "", NS)
        self.shell = next((selector.text for selector in header.iterfind("w:SelectorSet/w:Selector", NS)
                           if selector.get("Name", "").casefold() == "shellid"), None)
        self.envelope = int(header.findtext("w:MaxEnvelopeSize", "153600", NS))
        self.timeout = duration(header.findtext("w:OperationTimeout", "PT60S", NS))
        locale = header.find("p:DataLocale", NS)
        self.locale = None if locale is None else locale.get("{http://www.w3.org/XML/1998/namespace}lang")


def duration(text):
    found = re.fullmatch(r"PT(?:(\d+)M)?(?:([\d.]+)S)?", text.strip())
    return 60.0 if found is None else int(found[1] or 0) * 60 + float(found[2] or 0)


def answer(request, action, body):
    """Wraps a body in an envelope that relates to the request."""
    names = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NS.items() if prefix not in ("f", "pwsh"))
    return (f'<s:Envelope xml:lang="en-US" {names}><s:Header><a:Action>{escape(action)}</a:Action>'
            f"<a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID>"
            "<a:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:To>"
            f"<a:RelatesTo>{escape(request.message)}</a:RelatesTo></s:Header><s:Body>{body}</s:Body>"
            "</s:Envelope>").encode()


def fault(request, problem, machine):
    text = escape(problem.text)
    relates = escape(request.message) if request else ""
    return (f'<s:Envelope xml:lang="en-US" xmlns:s="{NS["s"]}" xmlns:a="{NS["a"]}" xmlns:x="{NS["x"]}" '
            f'xmlns:e="http://schemas.xmlsoap.org/ws/2004/08/eventing" xmlns:w="{NS["w"]}" xmlns:p="{NS["p"]}">'
            f"<s:Header><a:Action>{FAULT_ACTION}</a:Action><a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID>"
            "<a:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:To>"
            f"<a:RelatesTo>{relates}</a:RelatesTo></s:Header><s:Body><s:Fault><s:Code><s:Value>s:Receiver</s:Value>"
            f"<s:Subcode><s:Value>{problem.subcode}</s:Value></s:Subcode></s:Code>"
            f'<s:Reason><s:Text xml:lang="en-US">{text}</s:Text></s:Reason><s:Detail>'
            f'<f:WSManFault xmlns:f="{NS["f"]}" Code="{problem.code}" Machine={quoteattr(machine)}>'
            f"<f:Message>{text}</f:Message></f:WSManFault></s:Detail></s:Fault></s:Body></s:Envelope>").encode()


def streams(element):
    """The fragments of a Send."""
    return b"".join(base64.b64decode(stream.text or "") for stream in element.iterfind("rsp:Send/rsp:Stream", NS))


def receive_body(command, fragments, done):
    of = f' CommandId="{command}"' if command else ""
    body = "".join(f'<rsp:Stream Name="stdout"{of}>{base64.b64encode(one).decode()}</rsp:Stream>' for one in fragments)
    if command:
        state = "Done" if done else "Running"
        code = "<rsp:ExitCode>0</rsp:ExitCode>" if done else ""
        body += (f'<rsp:CommandState CommandId="{command}" State="{SHELL}CommandState/{state}">{code}'
                 "</rsp:CommandState>")
    return f"<rsp:ReceiveResponse>{body}</rsp:ReceiveResponse>"

"""The same work by pypsrp: (a) one pipeline for each mailbox, as scripts and DSC do; (b) pipeline input; (c) pipeline
input between two reads, as whoever wants to know looks before and after.

`python peers.py ready.json WAY COUNT VALUE [SAMPLE]` prints requests and seconds as JSON. With SAMPLE, way `each` does so
many and says what COUNT would be, because hours would tell no more.
"""

import json
import sys
import time
import urllib.request
import warnings

from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan

warnings.simplefilter("ignore")


def control(ready, path):
    url = f"http://127.0.0.1:{ready['control']}{path}"
    with urllib.request.urlopen(urllib.request.Request(url, b"{}")) as answer:
        return json.load(answer)


def read(pool):
    """Returns who has POP3, by GUID."""
    shell = PowerShell(pool)
    shell.add_cmdlet("Get-CASMailbox").add_parameter("ResultSize", "Unlimited")
    shell.add_cmdlet("Select-Object").add_parameter("Property", ["Guid", "PrimarySmtpAddress", "PopEnabled"])
    return {str(one.extended_properties["Guid"]): one.extended_properties["PopEnabled"] for one in shell.invoke()}


def feed(pool, guids, value):
    shell = PowerShell(pool)
    shell.add_cmdlet("Set-CASMailbox").add_parameter("PopEnabled", value)
    shell.invoke(guids)
    assert not shell.streams.error


def main():
    ready = json.load(open(sys.argv[1]))
    way, count, value = sys.argv[2], int(sys.argv[3]), sys.argv[4] == "true"
    sample = int(sys.argv[5]) if len(sys.argv) > 5 else count
    guids = list(control(ready, "/state")["mailboxes"])[:count]
    control(ready, "/reset")
    connection = WSMan("127.0.0.1", port=ready["http"], username="CONTOSO\\svc-popgate", password="Passw0rd!", ssl=False,
                       path="PowerShell/", auth="basic", encryption="never")
    begun = time.perf_counter()
    with connection, RunspacePool(connection, configuration_name="Microsoft.Exchange") as pool:
        if way == "read":
            assert len(read(pool)) >= count
        elif way == "input":
            feed(pool, guids, value)
        elif way == "checked":
            before = read(pool)
            feed(pool, [guid for guid in guids if before[guid] != value], value)
            after = read(pool)
            assert all(after[guid] == value for guid in guids)
        else:
            for guid in guids[:sample]:
                shell = PowerShell(pool)
                shell.add_cmdlet("Set-CASMailbox").add_parameter("Identity", guid).add_parameter("PopEnabled", value)
                shell.invoke()
                assert not shell.streams.error
    seconds = time.perf_counter() - begun
    requests = control(ready, "/state")["counters"]["request"]
    scale = count / sample if way == "each" else 1
    print(json.dumps({"requests": round(requests * scale), "seconds": round(seconds * scale, 1),
                      "extrapolated": scale != 1}))


if __name__ == "__main__":
    main()

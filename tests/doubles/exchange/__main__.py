"""Starts the double: `python tests/doubles/exchange DIRECTORY < scenario.json`.

The scenario is the first line of standard input; the answer on standard output, one line of JSON, says where everything
listens. The double ends when its standard input does, so it cannot outlive the test that started it.
"""

import json
import os
import socket
import sys

from double import certificates, control, kdc, pop3, web
from double.world import World
from double.wsman import Host


def free_ports(addresses, count):
    """Finds ports that are free on all addresses at once."""
    found = []
    while len(found) < count:
        with socket.socket() as probe:
            probe.bind((addresses[0], 0))
            port = probe.getsockname()[1]
            if port not in found and all(_free(address, port) for address in addresses[1:]):
                found.append(port)
    return found


def _free(address, port):
    with socket.socket() as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def main():
    directory = os.path.abspath(sys.argv[1])
    os.makedirs(directory, exist_ok=True)
    scenario = json.loads(sys.stdin.readline())
    world = World(scenario)
    host = Host(world)
    record = scenario.get("record")
    if record:
        os.makedirs(record, exist_ok=True)
    kept = web.Record(record)
    addresses = [server.address for server in world.servers]
    ready = {}
    if {"negotiate", "kerberos"} & set(scenario.get("auth", ["basic"])):
        ready["kerberos"] = kdc.start(os.path.join(directory, "kdc"), scenario)
    names = ["localhost", "ex.contoso.example"] + [f"{server.name.lower()}.contoso.example" for server in world.servers]
    tls, ready["ca"] = certificates.make(directory, names, addresses, scenario.get("certificate", "good"))
    http, https, plain, secure = free_ports(addresses, 4)
    for server in world.servers:
        web.serve(web.Listener((server.address, http), server, host, None, kept))
        web.serve(web.Listener((server.address, https), server, host, tls, kept))
        pop3.Pop3(server, plain, None)
        pop3.Pop3(server, secure, tls)
    ready |= {"http": http, "https": https, "pop3": plain, "pop3s": secure, "control": control.serve(world, host),
              "servers": {server.name: server.address for server in world.servers}}
    print(json.dumps(ready), flush=True)
    while sys.stdin.read(4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()

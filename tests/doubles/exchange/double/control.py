"""What a test says to the double while it runs: JSON over HTTP on loopback."""

import http.server
import json
import threading


def answer(world, host, path, asked):
    """Does one thing and returns what came of it."""
    if path == "/state":
        return state(world, host)
    if path == "/events":
        with world.lock:
            return [event for event in world.events if asked.get("kind") in (None, event["kind"])]
    if path == "/reset":
        with world.lock:
            world.counters.clear()
            world.cmdlets.clear()
            world.events.clear()
            world.most_sessions = 0
        return {}
    if path == "/fault":
        with world.lock:
            world.faults.append(asked)
        return {}
    if path == "/world":
        for key in ("latency_ms", "session_limit", "require_cookie", "replication_delay", "hidden_cmdlets",
                    "hidden_parameters"):
            if key in asked:
                set_world(world, key, asked[key])
        return {}
    if path == "/mailbox":
        return change_mailbox(world, asked)
    if path == "/everybody":
        for number, mailbox in enumerate(world.directory.all()[:asked["first"]]):
            # None is how a generated organisation begins: every other mailbox has POP3.
            world.directory.change(mailbox, {"pop": number % 2 == 0 if asked["pop"] is None else asked["pop"]})
        return {}
    if path == "/server":
        return change_server(world, asked)
    if path == "/controller":
        _, controller = world.directory.controller(asked["name"])
        controller["down"] = asked.get("down", False)
        return {}
    raise KeyError(path)


def set_world(world, key, value):
    if key == "latency_ms":
        world.latency = value / 1000
    elif key == "replication_delay":
        world.directory.delay = value
    elif key in ("hidden_cmdlets", "hidden_parameters"):
        setattr(world, key, {name.casefold() for name in value})
    else:
        setattr(world, key, value)


def change_mailbox(world, asked):
    directory = world.directory
    if "add" in asked:
        return {"guid": str(directory.add(asked["add"]).guid)}
    found = directory.find(asked["of"])
    if len(found) != 1:
        raise KeyError(f"{asked['of']} names {len(found)} mailboxes")
    if asked.get("remove"):
        directory.remove(found[0])
    else:
        directory.change(found[0], asked["set"])
    return {"guid": str(found[0].guid)}


def change_server(world, asked):
    server = world.server(asked["of"])
    if "PopProxy" in asked:
        server.components["PopProxy"] = asked["PopProxy"]
    if asked.get("serve"):
        server.ready_at = 0.0
    for key in ("down", "role", "banner", "banner_delay", "hide_processes"):
        if key in asked:
            setattr(server, key, asked[key])
    for name, change in asked.get("services", {}).items():
        service = server.service(name)
        if change.get("restart"):
            service.start()
        for key in ("status", "comes_back"):
            if key in change:
                setattr(service, key, change[key])
    return {}


def state(world, host):
    directory = world.directory
    primary = directory.domains[0]["controllers"][0]["name"]
    with world.lock:
        counters, cmdlets = dict(world.counters), dict(world.cmdlets)
        most = world.most_sessions
    return {
        "counters": counters, "cmdlets": cmdlets, "most_sessions": most, "open_sessions": host.open_sessions(),
        "open_shells": len(host.shells),
        "mailboxes": {str(mailbox.guid): {"name": mailbox.name, "smtp": mailbox.smtp,
                                          "pop": mailbox.pop(mailbox.writes[-1][1] or primary, directory.delay)}
                      for mailbox in directory.all()},
        "servers": {server.name: {"address": server.address, "PopProxy": server.components["PopProxy"],
                                  "serving": server.serving(),
                                  "services": {service.name: {"status": service.status, "restarts": service.restarts,
                                                              "pid": service.pid}
                                               for service in server.services}}
                    for server in world.servers},
    }


def serve(world, host):
    """Starts the endpoint; returns its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                status, out = 200, answer(world, host, self.path, json.loads(body or b"{}"))
            except Exception as problem:
                status, out = 400, {"error": f"{type(problem).__name__}: {problem}"}
            data = json.dumps(out).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST

        def log_message(self, *_):
            """Silent: the test prints what it wants."""

    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    return listener.server_address[1]

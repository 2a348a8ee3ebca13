"""A private MIT KDC: no root, no fixed port, gone when the double is."""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time

REALM = "CONTOSO.EXAMPLE"
INSTALL = "install Debian's krb5-kdc, krb5-admin-server and krb5-user: tests/run --install"


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _program(name):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if found is None:
        raise SystemExit(f"{name} is missing: {INSTALL}")
    return found


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def start(directory, scenario):
    """Starts the KDC; returns what a client needs: the configuration, the keytab and the passwords."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    port = _free_port()
    at = lambda name: os.path.join(directory, name)
    with open(at("krb5.conf"), "w") as file:
        file.write(f"""[libdefaults]
    default_realm = {REALM}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
    udp_preference_limit = 1
    clockskew = {int(scenario.get("clockskew", 300))}
[realms]
    {REALM} = {{
        kdc = 127.0.0.1:{port}
    }}
[domain_realm]
    localhost = {REALM}
    .contoso.example = {REALM}
""")
    with open(at("kdc.conf"), "w") as file:
        file.write(f"""[kdcdefaults]
    kdc_listen = 127.0.0.1:{port}
    kdc_tcp_listen = 127.0.0.1:{port}
[realms]
    {REALM} = {{
        database_name = {at("principal")}
        key_stash_file = {at("stash")}
        acl_file = {at("acl")}
        max_life = 10h
        max_renewable_life = 7d
    }}
[logging]
    kdc = FILE:{at("kdc.log")}
""")
    open(at("acl"), "w").close()
    environment = os.environ | {"KRB5_CONFIG": at("krb5.conf"), "KRB5_KDC_PROFILE": at("kdc.conf")}
    for name in ("KRB5CCNAME", "KRB5_KTNAME", "KRB5_CLIENT_KTNAME"):
        environment.pop(name, None)

    def run(*argv):
        done = subprocess.run(argv, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{argv[0]} failed: {done.stderr or done.stdout}")

    run(_program("kdb5_util"), "create", "-s", "-r", REALM, "-P", "master")
    queries = []
    hosts = ["localhost"] + [f"127.0.0.{number}" for number in range(1, len(scenario.get("servers", [0])) + 1)]
    hosts += scenario.get("kerberos_hosts", [])
    for host in hosts:
        for service in ("HTTP", "host", "WSMAN"):
            queries.append(f"addprinc -randkey {service}/{host}")
            queries.append(f"ktadd -k {at('server.keytab')} {service}/{host}")
    for user, password in scenario.get("principals", {"svc-popgate": "Passw0rd!"}).items():
        queries.append(f"addprinc -pw {password} {user}")
        queries.append(f"ktadd -k {at(user + '.keytab')} -norandkey {user}")
    program = _program("kadmin.local")
    done = subprocess.run([program, "-r", REALM], env=environment, input="\n".join(queries) + "\n", text=True,
                          capture_output=True)
    if done.returncode != 0:
        raise SystemExit(f"kadmin.local failed: {done.stderr}")
    subprocess.Popen([_program("krb5kdc"), "-n", "-r", REALM], env=environment, preexec_fn=_die_with_parent,
                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _wait(port)
    os.environ["KRB5_CONFIG"] = at("krb5.conf")
    os.environ["KRB5_KTNAME"] = at("server.keytab")
    return {"realm": REALM, "krb5_config": at("krb5.conf"), "port": port,
            "keytabs": {user: at(user + ".keytab") for user in scenario.get("principals", {"svc-popgate": ""})}}


def _wait(port):
    for _ in range(200):
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("krb5kdc did not start within ten seconds")

"""Starts each program while what it needs is away, tells it to stop, and says how long that took.

usage: stop.py PROGRAMS WORK      WORK: certificates and keys as stop.sh makes them

What a program needs is away in three ways: nobody listens, a peer takes connections and never says anything, and the
files with the token or the passwords are not there.
"""

import concurrent.futures
import fcntl
import http.client
import json
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

# Deployments have 30 s, tables more.
LIMIT_S = 25
UP_S = 30
UID = "00000000-0000-4000-8000-000000000000"


class Silent:
    """Takes connections and says nothing."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.held = []
        threading.Thread(target=self.take, daemon=True).start()

    def take(self):
        while True:
            self.held.append(self.listener.accept()[0])


FIRST, END = 12_000, 32_000


def free():
    """A port that nobody else is given, by the counter of tests/ports."""
    with open(pathlib.Path(tempfile.gettempdir()) / "purr-test-ports", "a+") as counter:
        fcntl.flock(counter, fcntl.LOCK_EX)
        counter.seek(0)
        last = counter.read().strip()
        port = int(last) if last.isdecimal() else END
        for _ in range(FIRST, END):
            port = port + 1 if FIRST <= port < END - 1 else FIRST
            try:
                socket.create_server(("127.0.0.1", port)).close()
            except OSError:
                continue
            counter.truncate(0)
            counter.write(str(port))
            return port
    raise OSError("no port is free")


def spec():
    address = "0x" + "a" * 40
    clock = dict.fromkeys(["turnMs", "timeBankMs", "timeBankGainMs", "disconnectMs"], 10000)
    engine = {
        "seats": 6, "smallBlind": 1, "bigBlind": 2, "buyInMin": 40, "buyInMax": 200, "ratHoleMs": 1000,
        "rake": {"basisPoints": 0, "caps": [], "noFlopNoDrop": True}, "clock": clock,
    }
    return json.dumps({
        "name": "t", "engine": engine, "currency": {"token": address, "decimals": 6, "unit": "USDC"},
        "settlement": {"vault": address, "chainId": 31337, "maxHands": 8, "maxDelayMs": 2000},
    })


def commands(work, port, ops):
    """Arguments of each program. `port` is where everything is that it needs, `ops` its health port."""
    there = f"127.0.0.1:{port}"
    tls = lambda role: ["--tls-dir", f"{work}/{role}"]
    listen = ["--listen", "127.0.0.1:0", "--ops-listen", f"127.0.0.1:{ops}"]
    password = f"{work}/password"
    group = lambda name: [f"--{name}-sentinels", there, f"--{name}-user", "u", f"--{name}-password-file", password]
    pg = ["--pg-host", "127.0.0.1", "--pg-port", str(port), "--pg-password-file", password]
    address = "0x" + "a" * 40
    made = {}
    made["purr-table"] = [
        "--uid", UID, "--spec", spec(), "--generation", "1", *group("store"), *group("sessions"), *tls("table"), *listen,
        "--state-dir", f"{work}/state", "--data-key-dir", f"{work}/data-key", "--signer-addr", there, "--jwks-addr", there,
        "--jwt-issuer", "https://localhost",
    ]
    made["purr-gateway"] = [
        "--namespace", "purr", "--domain", "localhost", "--public-url", "https://localhost", "--chain-id", "31337",
        "--jwt-issuer", "https://localhost", "--signer-addr", there, "--records-addr", there, *group("sessions"),
        *tls("gateway"), "--public-tls-dir", f"{work}/gateway", "--jwt-key-dir", f"{work}/jwt", *listen,
        "--internal-listen", "127.0.0.1:0",
    ]
    made["purr-records"] = ["--consumer", "r", *group("store"), *pg, *tls("records"), *listen]
    made["purr-fairplay"] = [
        "serve", *pg, "--records-addr", there, "--signer-addr", there, *tls("fair-play"), *listen,
        "--key-dir", f"{work}/fairplay", "--pg-ca-file", f"{work}/ca/tls.crt",
    ]
    made["purr-chain-signer"] = [
        "serve", *pg, "--rpc-urls", f"http://{there}", "--chain-id", "31337", "--vault", address, "--token", address,
        "--sessions-sentinels", there, "--sessions-password-file", password, *tls("chain-signer"), *listen,
        "--hsm-pin-file", f"{work}/none", "--hsm-module", f"{work}/none.so",
    ]
    made["purr-controller"] = [
        "--namespace", "purr", "--identity", "c", "--release", "purr", *group("sessions"), *tls("controller"),
        "--ca-dir", f"{work}/ca", "--signer-addr", there, "--table-image", "i", "--table-jwks-addr", there,
        "--table-resources", '{"requests": {"memory": "32Mi"}, "limits": {"memory": "64Mi"}}', "--table-jwt-issuer", "https://localhost", "--chain-id", "31337",
        "--stores", json.dumps({"default": {"sentinels": [there], "master": "purr"}}),
        "--ops-listen", f"127.0.0.1:{ops}",
    ]
    return made


def answers(port):
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        connection.request("GET", "/livez")
        return connection.getresponse().status == 200
    except OSError:
        return False


def stop(program, log, command, ops, early, env):
    """Seconds from SIGTERM to the end, or what went wrong."""
    with open(log, "wb") as out:
        child = subprocess.Popen(command, stdout=out, stderr=out, env=env)
    try:
        end = time.monotonic() + UP_S
        while not early and not answers(ops):
            if child.poll() is not None:
                return f"ended by itself with {child.returncode}: {tail(log)}"
            if time.monotonic() > end:
                return f"does not answer /livez within {UP_S} s: {tail(log)}"
            time.sleep(0.05)
        if early:
            # Until it has said its first word, so that its handlers are being set up.
            while child.poll() is None and not pathlib.Path(log).stat().st_size and time.monotonic() < end:
                time.sleep(0.005)
        else:
            # In the middle of its attempts.
            time.sleep(2)
        if child.poll() is not None:
            return f"ended by itself with {child.returncode}: {tail(log)}"
        began = time.monotonic()
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            return f"still runs {LIMIT_S} s after SIGTERM: {tail(log)}"
        return time.monotonic() - began
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()


def tail(log):
    return " | ".join(pathlib.Path(log).read_text(errors="replace").splitlines()[-3:])


def main():
    programs, work = pathlib.Path(sys.argv[1]), sys.argv[2]
    silent = Silent()
    failed = 0
    for way, port, early in [
        ("nobody listens", free(), False),
        ("nobody answers", silent.port, False),
        ("at its first word", silent.port, True),
    ]:
        kubeconfig = pathlib.Path(work) / "kubeconfig"
        kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "x",
            "clusters": [{"name": "c", "cluster": {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        }))
        env = {"PATH": "/usr/bin:/bin", "HOME": work, "KUBECONFIG": str(kubeconfig)}

        def one(program):
            ops = free()
            arguments = commands(work, port, ops)[program]
            log = f"{work}/{program}.log"
            return program, stop(program, log, [str(programs / program), *arguments], ops, early, env)

        names = list(commands(work, port, 1))
        with concurrent.futures.ThreadPoolExecutor(len(names)) as together:
            done = list(together.map(one, names))
        for program, took in done:
            if isinstance(took, float):
                print(f"{program}, {way}: ended {took:.1f} s after SIGTERM")
            else:
                failed += 1
                print(f"{program}, {way}: FAILED, {took}")
    return failed != 0


sys.exit(main())

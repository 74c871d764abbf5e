"""Starts and stops the servers under load, each on core 0."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from .process import ROOT, SERVER_CORE, Unavailable, find

HERE = ROOT / "benches" / "load" / "servers"
BUILT = ROOT / ".tools" / "servers" / "release"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A running server. The command is the server's own process, so that it can be paused."""

    def __init__(self, command, port, directory):
        self.command, self.port = command, port
        self.log = Path(directory) / f"server-{port}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["taskset", "-c", SERVER_CORE, *command], cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._wait_until_it_listens()

    def _wait_until_it_listens(self):
        for _ in range(200):
            if self.process.poll() is not None:
                raise Unavailable(f"{self.command[0]} did not start: {self.log.read_text().strip()[-300:]}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        self.stop()
        raise Unavailable(f"{self.command[0]} does not listen on port {self.port}")

    def stall_later(self, after_s, for_s):
        """Pauses the process `after_s` from now for `for_s`, from another thread."""

        def stall():
            time.sleep(after_s)
            os.kill(self.process.pid, signal.SIGSTOP)
            time.sleep(for_s)
            os.kill(self.process.pid, signal.SIGCONT)

        thread = threading.Thread(target=stall)
        thread.start()
        return thread

    def stop(self):
        self.process.kill()
        self.process.wait()


class Nginx(Server):
    """nginx in one process: `url` over HTTP/1.1, `tls_url` over TLS with HTTP/1.1 and HTTP/2."""

    def __init__(self, directory):
        nginx, directory = find("nginx"), Path(directory)
        plain, tls = free_port(), free_port()
        conf = (HERE / "nginx.conf").read_text()
        for name, value in [("DIRECTORY", str(directory)), ("PLAIN_PORT", str(plain)), ("TLS_PORT", str(tls))]:
            conf = conf.replace(name, value)
        (directory / "nginx.conf").write_text(conf)
        self._certificate(directory)
        self.url, self.tls_url = f"http://127.0.0.1:{plain}/", f"https://127.0.0.1:{tls}/"
        super().__init__([nginx, "-p", str(directory), "-c", str(directory / "nginx.conf"),
                          "-e", str(directory / "error.log")], plain, directory)

    @staticmethod
    def _certificate(directory):
        if (directory / "cert.pem").exists():
            return
        subprocess.run(
            [find("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-days", "30", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
             "-keyout", str(directory / "key.pem"), "-out", str(directory / "cert.pem")],
            check=True, capture_output=True,
        )


def _built(name):
    path = BUILT / name
    if not path.is_file():
        raise Unavailable(f"{name} is not built; benches/load/setup builds it")
    return str(path)


class GrpcEcho(Server):
    """The gRPC echo server of servers/: `address`, without TLS."""

    proto = HERE / "echo.proto"
    call = "bench.Echo/Unary"

    def __init__(self, directory):
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        # An empty message: one byte for "not compressed", four for its length.
        self.frame = Path(directory) / "frame.bin"
        self.frame.write_bytes(bytes(5))
        shutil.copy(self.proto, directory)
        super().__init__([_built("grpc-echo"), self.address], port, directory)


class Delays(Server):
    """The server of known latencies of servers/: `url` with `/constant` and `/bimodal`."""

    def __init__(self, directory):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        super().__init__([_built("delays"), f"127.0.0.1:{port}"], port, directory)

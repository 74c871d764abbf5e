"""Runs one load generator on one core and measures its cost."""

import os
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TOOLS = ROOT / ".tools" / "bin"

SERVER_CORE = "0"
CLIENT_CORE = "1"


class Unavailable(Exception):
    """A tool, a server or a feature is missing; the text is the reason."""


@dataclass
class Ended:
    """A finished process."""

    output: str
    errors: str
    cpu_s: float
    """User and system time of the process and its children, in seconds."""
    peak_rss_mib: float
    wall_s: float
    rss_mib: dict = field(default_factory=dict)
    """Resident memory at the requested seconds."""


def find(name):
    """Path of a tool: in .tools/bin, else on the search path."""
    for directory in [str(TOOLS), *os.environ.get("PATH", "").split(":"), "/usr/sbin"]:
        path = Path(directory) / name
        if path.is_file() and os.access(path, os.X_OK):
            return str(path)
    raise Unavailable(f"{name} is not installed; benches/load/setup installs it")


def _resident_mib(time_pid):
    """Resident memory of the only child of /usr/bin/time."""
    try:
        child = Path(f"/proc/{time_pid}/task/{time_pid}/children").read_text().split()[0]
        for line in Path(f"/proc/{child}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    except (OSError, IndexError):
        pass
    return None


def run(command, cwd, timeout_s, sample_at=(), env=None, core=CLIENT_CORE):
    """Runs a command to its end on one core.

    Peak memory is /usr/bin/time's: a child of this program would inherit the peak of this program. CPU time is the kernel's account
    of /usr/bin/time and the command, to the microsecond.
    """
    report = tempfile.NamedTemporaryFile(mode="r", prefix="bench-time-")
    output, errors = tempfile.TemporaryFile(mode="w+"), tempfile.TemporaryFile(mode="w+")
    whole = ["/usr/bin/time", "-q", "-o", report.name, "-f", "%M", "taskset", "-c", core, *command]
    begun = time.monotonic()
    process = subprocess.Popen(
        whole, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, env={**os.environ, **(env or {})},
        start_new_session=True,
    )
    rss = {}
    sampling = threading.Thread(target=_sample, args=(process.pid, begun, sample_at, rss), daemon=True)
    sampling.start()
    # The whole group: killing only /usr/bin/time would leave the command running.
    killer = threading.Timer(timeout_s, lambda: os.killpg(process.pid, 9))
    killer.start()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - begun
    killer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    for stream in (output, errors):
        stream.seek(0)
    output_text, errors_text = output.read(), errors.read()
    if wall >= timeout_s:
        raise Unavailable(f"{Path(command[0]).name} did not end within {timeout_s:.0f} s")
    if process.returncode != 0:
        lines = (errors_text.strip() or output_text.strip()).splitlines()
        raise Unavailable(f"{Path(command[0]).name} ended with {process.returncode}: {' | '.join(lines[-3:])}")
    peak = report.read().split()
    return Ended(
        output=output_text, errors=errors_text, cpu_s=usage.ru_utime + usage.ru_stime, wall_s=wall,
        peak_rss_mib=int(peak[-1]) / 1024, rss_mib=rss,
    )


def _sample(pid, begun, seconds, into):
    for second in sorted(seconds):
        time.sleep(max(0.0, begun + second - time.monotonic()))
        into[second] = _resident_mib(pid)

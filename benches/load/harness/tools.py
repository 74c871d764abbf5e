"""Starts each load generator and reads its numbers. One function per tool and protocol; all return a `Measured`."""

import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from .document import load_record, seconds
from .process import ROOT, Ended, Unavailable, find, run

IGNORED_ERRORS = ("aborted due to deadline",)


@dataclass
class Measured:
    """Result of one run of one tool."""

    command: list
    requests: int
    rate: float
    """Requests per second, as the tool reports them."""
    errors: int
    ended: Ended
    percentiles: dict = field(default_factory=dict)
    """Latencies in milliseconds by percentile, as the tool defines latency."""
    record: dict = field(default_factory=dict)
    """iter8's load record."""

    @property
    def cpu_per_100k(self):
        """CPU seconds for 100,000 requests."""
        return self.ended.cpu_s / self.requests * 1e5 if self.requests else float("nan")


class Context:
    """Directory and duration of the tools' runs."""

    def __init__(self, directory, duration_s, sample_at=()):
        self.directory, self.duration_s, self.sample_at = Path(directory), duration_s, sample_at

    def run(self, command, env=None):
        return run(command, self.directory, self.duration_s * 2 + 30, self.sample_at, env)


def _number(pattern, text, tool):
    match = re.search(pattern, text)
    if not match:
        raise Unavailable(f"{tool} printed nothing like {pattern!r}: {text.strip()[-200:]}")
    return float(match.group(1))


def _summed(pattern, text):
    return int(sum(float(number) for groups in re.findall(pattern, text) for number in (
        groups if isinstance(groups, tuple) else (groups,))))


# --- iter8 ----------------------------------------------------------------------------------------------------------------------

def iter8(context, task, values, percentiles=()):
    """Runs one task with these values."""
    program = str(ROOT / "target" / "dist" / "iter8")
    if not os.access(program, os.X_OK):
        raise Unavailable(f"{program} is not built")
    values = {"duration": f"{context.duration_s:g}s", **values}
    command = [program, "run", "--quiet", "--set", f"tasks={{{task}}}"]
    for key, value in values.items():
        command += ["--set", f"{task}.{key}={value}"]
    document = context.directory / "experiment.yaml"
    document.unlink(missing_ok=True)
    ended = context.run(command)
    record = load_record(document.read_text())
    report = subprocess.run(
        [program, "report", "-o", "json"], cwd=context.directory, capture_output=True, text=True, check=True
    )
    task_report = json.loads(report.stdout)["tasks"][0]
    if task_report["status"] != "done" or not record.get("requests"):
        raise Unavailable(f"iter8's {task} task failed: {task_report.get('error')}")
    metrics = json.loads(report.stdout)["versions"][0]["metrics"]

    def metric(name):
        # `grpc/latency/p99` is an aggregation; `http/latency-p99` is a metric.
        found = metrics.get(f"{task}/{name}") or {}
        return found.get("value")

    measured = Measured(command, record["requests"], record["requests"] / seconds(record["duration"]),
                        record.get("errors") or 0, ended, record=record)
    for percentile in percentiles:
        measured.percentiles[percentile] = metric(f"latency-p{percentile:g}")
        measured.percentiles[f"sent {percentile:g}"] = metric(f"service-time-p{percentile:g}")
    return measured


def iter8_http(context, url, connections, qps="max", percentiles=(), **more):
    return iter8(context, "http", {"url": url, "connections": connections, "qps": qps, **more}, percentiles)


def iter8_grpc(context, server, connections, streams):
    return iter8(context, "grpc", {
        "host": server.address, "call": server.call, "proto": str(server.proto), "data.payload": "",
        "connections": connections, "concurrency": connections * streams, "qps": 0,
    })


# --- HTTP -----------------------------------------------------------------------------------------------------------------------

_WRK_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


def wrk(context, url, connections):
    command = [find("wrk"), "-t1", f"-c{connections}", f"-d{context.duration_s:g}s", "--latency", url]
    ended = context.run(command)
    text = ended.output
    percentiles = {
        float(percentile): float(value) * _WRK_UNITS[unit]
        for percentile, value, unit in re.findall(r"^\s+(50|75|90|99)%\s+([0-9.]+)(us|ms|s|m)", text, re.M)
    }
    errors = _summed(r"Non-2xx or 3xx responses: (\d+)", text)
    errors += _summed(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    return Measured(command, int(_number(r"(\d+) requests in", text, "wrk")), _number(r"Requests/sec:\s+([0-9.]+)", text, "wrk"),
                    errors, ended, percentiles)


def oha(context, url, connections, *more):
    command = [find("oha"), "--no-tui", "--output-format", "json", "--worker-threads", "1", "-z",
               f"{context.duration_s:g}s", "-c", str(connections), *more, url]
    ended = context.run(command)
    output = json.loads(ended.output)
    statuses = output["statusCodeDistribution"]
    errors = sum(count for status, count in statuses.items() if not status.startswith("2"))
    errors += sum(count for cause, count in output["errorDistribution"].items() if cause not in IGNORED_ERRORS)
    requests = sum(statuses.values())
    percentiles = {
        float(name[1:]): value * 1e3 for name, value in output["latencyPercentiles"].items() if value is not None
    }
    # Its requestsPerSec includes aborted requests.
    return Measured(command, requests, requests / output["summary"]["total"], errors, ended, percentiles)


def hey(context, url, connections):
    command = [find("hey"), "-z", f"{context.duration_s:g}s", "-c", str(connections), url]
    ended = context.run(command)
    counts = [(status, int(count)) for status, count in re.findall(r"\[(\d{3})\]\s+(\d+) responses", ended.output)]
    errors = sum(count for status, count in counts if not status.startswith("2"))
    errors += _summed(r"^\s+\[(\d+)\]\s+Get ", ended.output)
    percentiles = {float(percentile): float(value) * 1e3
                   for percentile, value in re.findall(r"(\d+)% in ([0-9.]+) secs", ended.output)}
    return Measured(command, sum(count for _, count in counts), _number(r"Requests/sec:\s+([0-9.]+)", ended.output, "hey"),
                    errors, ended, percentiles)


def fortio(context, url, connections):
    command = [find("fortio"), "load", "-quiet", "-qps", "0", "-c", str(connections), "-t", f"{context.duration_s:g}s",
               "-p", "50,75,95,99", "-json", "fortio.json", url]
    ended = context.run(command)
    output = json.loads((context.directory / "fortio.json").read_text())
    histogram = output["DurationHistogram"]
    percentiles = {entry["Percentile"]: entry["Value"] * 1e3 for entry in histogram["Percentiles"]}
    errors = sum(count for status, count in output["RetCodes"].items() if status != "200")
    return Measured(command, histogram["Count"], output["ActualQPS"], errors, ended, percentiles)


def k6(context, url, connections):
    script = context.directory / "k6.js"
    script.write_text(
        'import http from "k6/http";\n'
        f'export const options = {{ vus: {connections}, duration: "{context.duration_s:g}s", '
        "discardResponseBodies: true };\n"
        f'export default function () {{ http.get("{url}"); }}\n'
    )
    command = [find("k6"), "run", "--quiet", "--no-usage-report", "--no-color", "--summary-export=k6.json", "k6.js"]
    ended = context.run(command, env={"K6_NO_USAGE_REPORT": "true"})
    metrics = json.loads((context.directory / "k6.json").read_text())["metrics"]
    requests = int(metrics["http_reqs"]["count"])
    errors = round(metrics["http_req_failed"]["value"] * requests)
    return Measured(command, requests, metrics["http_reqs"]["rate"], errors, ended)


def vegeta(context, url, connections):
    (context.directory / "targets").write_text(f"GET {url}\n")
    program = find("vegeta")
    command = [program, "attack", "-rate=0", f"-workers={connections}", f"-max-workers={connections}",
               f"-connections={connections}", f"-duration={context.duration_s:g}s", "-targets=targets", "-output=vegeta.bin"]
    ended = context.run(command)
    report = subprocess.run([program, "report", "-type=json", "vegeta.bin"], cwd=context.directory, capture_output=True,
                            text=True, check=True)
    (context.directory / "vegeta.bin").unlink()
    output = json.loads(report.stdout)
    errors = sum(count for status, count in output["status_codes"].items() if status != "200")
    return Measured(command, output["requests"], output["rate"], errors, ended)


# --- h2load and gRPC ------------------------------------------------------------------------------------------------------------

def h2load(context, url, connections, *more):
    """HTTP/1.1 with `--h1` among `more`, else HTTP/2. Percentiles come from its log, in microseconds."""
    log = context.directory / "h2load.log"
    log.unlink(missing_ok=True)
    command = [find("h2load"), "-t1", f"-c{connections}", f"-D{context.duration_s:g}", *more, url]
    ended = context.run(command)
    text = ended.output
    requests = int(_number(r"(\d+) succeeded", text, "h2load"))
    errors = _summed(r"(\d+) failed, (\d+) errored, (\d+) timeout", text)
    measured = Measured(command, requests, _number(r"finished in [^,]*, ([0-9.]+) req/s", text, "h2load"), errors, ended)
    if log.exists():
        micros = sorted(int(line.split("\t")[2]) for line in log.read_text().splitlines())
        if micros:
            at = lambda share: micros[min(len(micros) - 1, int(share / 100 * len(micros)))] / 1e3
            measured.percentiles = {float(p): at(p) for p in (50, 75, 90, 95, 99)}
    return measured


def h2load_grpc(context, server, connections, streams):
    """Sends a pre-framed message; ignores `grpc-status`."""
    return h2load(context, f"http://{server.address}/{server.call}", connections, f"-m{streams}", "-d",
                  str(server.frame), "-H", "content-type: application/grpc", "-H", "te: trailers")


def ghz(context, server, connections, streams):
    command = [find("ghz"), "--insecure", "--proto", str(server.proto), "--call", server.call, "-d", "{}",
               "-c", str(connections * streams), "--connections", str(connections), "-z", f"{context.duration_s:g}s",
               "--duration-stop", "wait", server.address]
    ended = context.run(command)
    counts = dict((code, int(count)) for code, count in re.findall(r"\[(\w+)\]\s+(\d+) responses", ended.output))
    requests = counts.get("OK", 0)
    return Measured(command, requests, _number(r"Requests/sec:\s+([0-9.]+)", ended.output, "ghz"),
                    sum(counts.values()) - requests, ended)


# --- versions -------------------------------------------------------------------------------------------------------------------

def _said(*command):
    try:
        output = subprocess.run([find(command[0]), *command[1:]], capture_output=True, text=True, timeout=20)
        return (output.stdout + output.stderr).strip()
    except (Unavailable, OSError, subprocess.TimeoutExpired):
        return ""


def _debian(package):
    return _said("dpkg-query", "-W", "-f=${Version}", package)


def versions():
    """Version of each installed tool, by name."""
    commands = {
        "wrk": lambda: _debian("wrk") or _said("wrk", "-v").split("\n")[0],
        "oha": lambda: _said("oha", "--version").removeprefix("oha "),
        "hey": lambda: _debian("hey"),
        "h2load": lambda: _said("h2load", "--version").removeprefix("h2load "),
        "nginx": lambda: _said("nginx", "-v").removeprefix("nginx version: "),
        "fortio": lambda: _said("fortio", "version"),
        "ghz": lambda: _said("ghz", "--version"),
        "k6": lambda: _said("k6", "version").removeprefix("k6 ").split(" ")[0],
        "vegeta": lambda: _said("vegeta", "-version").split("\n")[0].removeprefix("Version: "),
        "rustc": lambda: _said("rustc", "--version").removeprefix("rustc "),
    }
    found = {}
    for name, version in commands.items():
        try:
            find(name)
        except Unavailable:
            continue
        found[name] = version() or "unknown"
    return found

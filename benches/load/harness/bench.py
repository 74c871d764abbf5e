"""Rounds of tools in random order, and their results."""

import random
import shlex
import sys
import tempfile
from pathlib import Path

from . import servers
from .process import ROOT, Unavailable
from .table import markdown, median, spread
from .tools import Context, Measured

OURS = "iter8"


def say(text):
    print(text, file=sys.stderr, flush=True)


class Bench:
    """One run of the comparison."""

    def __init__(self, rounds, scale, seed):
        self.rounds, self.scale = rounds, scale
        self.random = random.Random(seed)
        self.directory = Path(tempfile.mkdtemp(prefix="iter8-bench-"))
        self.targets, self._servers = [], {}

    def close(self):
        for server in self._servers.values():
            if not isinstance(server, Unavailable):
                server.stop()

    def server(self, kind):
        """The shared server of a kind, started on first use."""
        if kind not in self._servers:
            try:
                self._servers[kind] = kind(self.directory)
            except Unavailable as reason:
                self._servers[kind] = reason
        if isinstance(self._servers[kind], Unavailable):
            raise self._servers[kind]
        return self._servers[kind]

    @property
    def nginx(self):
        return self.server(servers.Nginx)

    @property
    def grpc_echo(self):
        return self.server(servers.GrpcEcho)

    @property
    def delays(self):
        return self.server(servers.Delays)

    def context(self, duration_s, sample_at=()):
        return Context(self.directory, duration_s, sample_at)

    def seconds(self, full):
        """Duration of a case: `full` seconds, or less in a quick run."""
        return max(1.0, full * self.scale)

    def measure(self, contenders):
        """Runs all contenders once per round in random order. Returns their results, and the reasons for missing ones.

        A contender that fails is left out of the rounds that follow, and of the result.
        """
        results, reasons = {name: [] for name in contenders}, {}
        for number in range(self.rounds):
            names = [name for name in contenders if name not in reasons]
            self.random.shuffle(names)
            for name in names:
                try:
                    measured = contenders[name]()
                except Unavailable as reason:
                    reasons[name] = str(reason)
                    results.pop(name)
                    say(f"    {name}: {reason}")
                    continue
                results[name].append(measured)
                say(f"    round {number + 1} {name}: {measured.rate:,.0f}/s, {measured.cpu_per_100k:.2f} CPU s/100k, "
                    f"{measured.ended.peak_rss_mib:.1f} MiB, {measured.errors} errors")
        return results, reasons

    def target(self, what, must, aim, value, is_met, form="{:.2f}"):
        """Records a target of the project and its result."""
        met = "missed" if not is_met(value, must) else ("aim" if is_met(value, aim) else "must")
        self.targets.append([what, must, aim if aim is not None else "–", form.format(value), met])

    def at_least(self, what, must, aim, value):
        self.target(what, must, aim, value, lambda value, bound: bound is not None and value >= bound)

    def at_most(self, what, must, aim, value, form="{:.2f}"):
        self.target(what, must, aim, value, lambda value, bound: bound is not None and value <= bound, form)


def ratios(ours, theirs, axis):
    """Ours over theirs in each round, so effects of the machine on a whole round cancel out."""
    return [axis(our) / axis(their) for our, their in zip(ours, theirs)]


def rate(measured):
    return measured.rate


def cpu(measured):
    return measured.cpu_per_100k


def throughput_table(results, reasons):
    """Rate, CPU and memory of all tools, with the ratios of ours to theirs."""
    rows = []
    for name, runs in results.items():
        row = [name, spread([run.rate / 1e3 for run in runs], "{:.1f}"), "", spread([cpu(run) for run in runs]), "",
               spread([run.ended.peak_rss_mib for run in runs], "{:.1f}"), str(sum(run.errors for run in runs))]
        if name != OURS and OURS in results:
            row[2] = f"{median(ratios(results[OURS], runs, rate)):.2f}"
            row[4] = f"{median(ratios(results[OURS], runs, cpu)):.2f}"
        rows.append(row)
    text = markdown(["tool", "k req/s", "ours ÷ it", "CPU s per 100k", "ours ÷ it", "peak RSS MiB", "errors"], rows)
    return text + missing_list(reasons) + commands(results)


def missing_list(reasons):
    return "".join(f"\n\nNot measured: **{name}**, {reason}." for name, reason in reasons.items())


def commands(results):
    """The exact commands, with the paths of this run shortened."""
    lines = []
    for runs in results.values():
        if runs and isinstance(runs[0], Measured):
            line = shlex.join(runs[0].command)
            lines.append(line.replace(str(ROOT) + "/", "").replace(".tools/bin/", ""))
    return "\n\n```sh\n" + "\n".join(lines) + "\n```"

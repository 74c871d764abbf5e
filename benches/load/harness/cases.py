"""Cases of the comparison: each measures, records its targets and returns a section of Markdown."""

from functools import partial

from . import tools
from .bench import OURS, commands, cpu, missing_list, rate, ratios, throughput_table
from .process import Unavailable
from .table import markdown, median, spread


def http1(connections, bench):
    """HTTP/1.1 at the maximum rate."""
    url, context = bench.nginx.url, bench.context(bench.seconds(2))
    contenders = {OURS: partial(tools.iter8_http, context, url, connections)}
    for tool in (tools.wrk, tools.oha, tools.hey, tools.fortio, tools.k6, tools.vegeta):
        contenders[tool.__name__] = partial(tool, context, url, connections)
    results, reasons = bench.measure(contenders)
    ours = results.get(OURS)
    if ours:
        for tool, must, aim in (("wrk", 0.90, 1.0), ("oha", 1.2, 1.35), ("fortio", 2.0, 3.0)):
            if tool in results:
                value = median(ratios(ours, results[tool], rate))
                bench.at_least(f"HTTP/1.1 throughput, c={connections}, ÷ {tool}", must, aim, value)
        for tool, must, aim in (("wrk", 1.15, 0.95), ("oha", 0.8, 0.7)):
            if tool in results:
                value = median(ratios(ours, results[tool], cpu))
                bench.at_most(f"HTTP/1.1 CPU per request, c={connections}, ÷ {tool}", must, aim, value)
    return throughput_table(results, reasons)


def memory(bench):
    """Memory at 256 connections: peak and growth."""
    duration = bench.seconds(60)
    early, late = duration / 6, duration * 0.97
    context = bench.context(duration, (early, late))
    measured = tools.iter8_http(context, bench.nginx.url, 256)
    resident = [measured.ended.rss_mib.get(second) for second in (early, late)]
    peak = measured.ended.peak_rss_mib
    bench.at_most("peak RSS, c=256, at max, MiB", 20, 12, peak, "{:.1f}")
    if None in resident:
        raise Unavailable("its memory could not be read while it ran")
    growth = resident[1] - resident[0]
    bench.at_most(f"RSS growth from {early:.0f} s to {late:.0f} s, MiB", 1, 0.25, growth, "{:.2f}")
    table = markdown(["", "MiB"], [
        [f"after {early:.0f} s", f"{resident[0]:.1f}"], [f"after {late:.0f} s", f"{resident[1]:.1f}"], ["peak", f"{peak:.1f}"],
    ])
    return f"{table}\n\n{measured.requests:,} requests in {duration:.0f} s." + commands({OURS: [measured]})


def lateness(qps, bench):
    """Delay between due time and send time."""
    context = bench.context(bench.seconds(10))
    results, reasons = bench.measure({OURS: partial(tools.iter8_http, context, bench.nginx.url, 50, qps)})
    if OURS not in results:
        raise Unavailable(reasons[OURS])
    late = [run.record.get("lateness") for run in results[OURS]]
    if not all(isinstance(entry, dict) and "p50" in entry for entry in late):
        raise Unavailable("the load record has no `lateness` with p50 and p99")
    column = lambda key: [entry.get(key) for entry in late]
    bench.at_most(f"send lateness p50 at {qps} qps, ms", 0.1, 0.05, median(column("p50")), "{:.3f}")
    bench.at_most(f"send lateness p99 at {qps} qps, ms", 0.5, 0.2, median(column("p99")), "{:.3f}")
    rows = [[key, spread(column(key), "{:.3f}")] for key in ("p50", "p99", "max")]
    return markdown(["lateness", "ms"], rows) + commands(results)


def stall(bench):
    """The server pauses for 1 s in 10 s at 1,000 requests per second: requests due then wait up to 1 s."""
    nginx, context = bench.nginx, bench.context(10)

    def stalled(tool):
        stalling = nginx.stall_later(5.0, 1.0)
        try:
            return tool()
        finally:
            stalling.join()

    wanted = (50, 95, 99, 99.9)
    ours = partial(tools.iter8_http, context, nginx.url, 50, 1000, wanted)
    theirs = partial(tools.oha, context, nginx.url, 50, "-q", "1000", "--latency-correction", "-w")
    results, reasons = bench.measure({OURS: partial(stalled, ours), "oha": partial(stalled, theirs)})
    if OURS in results:
        runs = results[OURS]
        p99 = median([run.percentiles[99] for run in runs])
        bench.at_most("1 s stall: p99 off the true 900 ms by, %", 2, 2, abs(p99 / 900 - 1) * 100)
        counted = min(run.requests - run.errors for run in runs)
        bench.at_least("1 s stall: requests counted, of 10000", 10000, 10000, counted)
    rows = [["truth", "10000", "–", "500", "900", "990"]]
    for name, runs in results.items():
        at = [spread([run.percentiles.get(percentile) for run in runs], "{:.1f}") for percentile in wanted]
        rows.append([name, spread([run.requests for run in runs], "{:.0f}"), *at])
    table = markdown(["", "counted", *(f"p{percentile:g} ms" for percentile in wanted)], rows)
    return table + missing_list(reasons) + commands(results)


def grpc(connections, bench):
    """Unary calls at the maximum rate, 50 in flight per connection."""
    echo, context = bench.grpc_echo, bench.context(bench.seconds(2))
    contenders = {
        OURS: partial(tools.iter8_grpc, context, echo, connections, 50),
        "h2load": partial(tools.h2load_grpc, context, echo, connections, 50),
        "ghz": partial(tools.ghz, context, echo, connections, 50),
    }
    results, reasons = bench.measure(contenders)
    ours = results.get(OURS)
    if ours:
        must, aim = (0.80, 0.88) if connections == 1 else (0.90, 0.98)
        if "h2load" in results:
            bench.at_least(f"gRPC throughput, {connections}×50, ÷ h2load", must, aim, median(ratios(ours, results["h2load"], rate)))
            bench.at_most(f"gRPC CPU per call, {connections}×50, ÷ h2load", 1.9, 1.5, median(ratios(ours, results["h2load"], cpu)))
        if "ghz" in results:
            bench.at_least(f"gRPC throughput, {connections}×50, ÷ ghz", 3, 5, median(ratios(ours, results["ghz"], rate)))
    return throughput_table(results, reasons)


def _against_oha(what, bench, contenders):
    results, reasons = bench.measure(contenders)
    if OURS in results and "oha" in results:
        bench.at_most(f"{what} CPU per request ÷ oha", 1.25, 1.0, median(ratios(results[OURS], results["oha"], cpu)))
    return throughput_table(results, reasons)


def tls(bench):
    """HTTP/1.1 over TLS at the maximum rate."""
    url, context = bench.nginx.tls_url, bench.context(bench.seconds(5))
    return _against_oha("TLS HTTP/1.1, c=64,", bench, {
        OURS: partial(tools.iter8_http, context, url, 64, insecureSkipVerify="true"),
        "oha": partial(tools.oha, context, url, 64, "--insecure"),
        "wrk": partial(tools.wrk, context, url, 64),
    })


def http2(bench):
    """HTTP/2 over TLS at the maximum rate, 50 in flight on each of 8 connections."""
    url, context = bench.nginx.tls_url, bench.context(bench.seconds(5))
    return _against_oha("HTTP/2 over TLS, 8×50,", bench, {
        OURS: partial(tools.iter8_http, context, url, 8, insecureSkipVerify="true", http2="true", streams=50),
        "oha": partial(tools.oha, context, url, 8, "--insecure", "--http2", "-p", "50"),
        "h2load": partial(tools.h2load, context, url, 8, "-m50"),
    })


CASES = {
    "http1-8": ("HTTP/1.1, 8 connections", partial(http1, 8)),
    "http1-64": ("HTTP/1.1, 64 connections", partial(http1, 64)),
    "http1-256": ("HTTP/1.1, 256 connections", partial(http1, 256)),
    "memory": ("Memory, 256 connections", memory),
    "lateness-1k": ("Send lateness at 1,000 requests a second", partial(lateness, 1000)),
    "lateness-5k": ("Send lateness at 5,000 requests a second", partial(lateness, 5000)),
    "stall": ("A stall of 1 s", stall),
    "grpc-1x50": ("gRPC unary, 1 connection × 50 streams", partial(grpc, 1)),
    "grpc-8x50": ("gRPC unary, 8 connections × 50 streams", partial(grpc, 8)),
    "tls": ("HTTP/1.1 over TLS, 64 connections", tls),
    "http2": ("HTTP/2 over TLS, 8 connections × 50 streams", http2),
}

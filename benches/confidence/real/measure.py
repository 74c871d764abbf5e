"""Measures one run of a service with iter8, and judges it with several limits."""

import asyncio
import json
import tempfile

from service import quantile, serve
from simulate import WARM_UP

METRIC = "http/latency-p95"
SHARE_OVER = 0.05
# Limits, relative to the true percentile. The run knows the middle one; the others are judged afterwards.
LIMITS = (0.7, 1.0, 1.4)
# Exit codes of satisfied, violated and inconclusive objectives.
VERDICTS = (0, 1, 5)


async def _iter8(program, *arguments, exit_codes=(0,)):
    process = await asyncio.create_subprocess_exec(
        program, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    output, errors = await process.communicate()
    if process.returncode not in exit_codes:
        raise RuntimeError(f"iter8 {arguments[0]} ended with {process.returncode}: {errors.decode()[-500:]}")
    return output


def _assess(limit_ms):
    return ["--set", "assess.confidence=0.95", "--set-json", "assess.SLOs=" + json.dumps({"upper": {METRIC: limit_ms}})]


async def measure(program, law, rate, seconds, seed):
    """Returns the measurements and verdicts of one run as a dict that can be saved as JSON."""
    server, url, lateness = await serve(law, seed)
    truth_ms = round(1e3 * quantile(law, SHARE_OVER), 3)
    values = {
        "tasks": "{http,assess}", "http.url": url, "http.qps": rate, "http.duration": f"{seconds}s", "http.arrival": "poisson",
        # Requests must not wait for a connection.
        "http.connections": 64, "http.warmupDuration": f"{WARM_UP}s",
    }
    load = [argument for path, value in values.items() for argument in ("--set", f"{path}={value}")]
    with tempfile.TemporaryDirectory(prefix="confidence-") as directory:
        try:
            await _iter8(program, "run", "-q", "--runDir", directory, *load, *_assess(truth_ms))
        finally:
            server.close()
        judged = ["assess", "-q", "--runDir", directory, "--dry", "-o", "json"]
        verdicts = {}
        for factor in LIMITS:
            report = json.loads(await _iter8(program, *judged, *_assess(round(truth_ms * factor, 3)), exit_codes=VERDICTS))
            verdicts[factor] = report["verdicts"][0]
    result, lateness = report["load"][0], sorted(lateness)
    return {
        "truth_ms": truth_ms,
        "verdicts": verdicts,
        "requests": result["requests"],
        "errors": result["errors"],
        "own_late_p99_ms": result["lateness"]["own"]["p99"],
        "server_late_ms": [1e3 * lateness[int(share * len(lateness))] for share in (0.5, 0.99)],
        "series": {column: result["series"][column] for column in ("requests", "sum", "over")},
    }

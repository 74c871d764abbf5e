"""Tables of measured runs beside simulated ones."""

import math
import statistics
from collections import Counter

from measure import LIMITS, SHARE_OVER
from simulate import effective_samples, lower_latency, share_over, simulate, with_tail

VERDICTS = ("satisfied", "violated", "inconclusive")
# A service whose p99 of lateness exceeds this many milliseconds did not follow its law: the machine was too busy.
TOO_LATE = 20


def _median(values, form="{:.1f}"):
    """Median, and the range of nine in ten values."""
    values = sorted(values)
    low, high = values[math.floor(0.05 * (len(values) - 1))], values[math.ceil(0.95 * (len(values) - 1))]
    return f"{form.format(statistics.median(values))} ({form.format(low)}–{form.format(high)})"


def _markdown(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def _at_the_truth(run):
    return run["verdicts"]["1.0"]


def _misses(run):
    """Tells if the interval is below the true percentile, and if it is above."""
    low, high = _at_the_truth(run)["interval"]
    return high is not None and high < run["truth_ms"], low is not None and low > run["truth_ms"]


def _recomputed(run):
    """Relative difference of the design effect in the document and that of its own counts, by the second implementation."""
    series, limit = run["series"], run["truth_ms"]
    own = next(column for column in series["over"] if column["limit"] == limit and "percentile" not in column)
    columns = [column for column in series["over"] if "percentile" in column]
    median, p90 = (next(column["limit"] for column in columns if column["percentile"] == p) for p in (50, 90))
    lower = lower_latency(median, p90, limit)
    tail = min(columns, key=lambda column: abs(column["limit"] / lower - 1))
    ours = with_tail(series["requests"], own["counts"], tail["counts"], limit > p90).deff
    return abs(_at_the_truth(run)["dependence"]["deff"] / ours - 1)


def _over_the_truth(runs):
    counts = (column["counts"] for run in runs for column in run["series"]["over"] if column["limit"] == run["truth_ms"])
    return sum(map(sum, counts)) / sum(run["requests"] for run in runs)


def _judged(runs):
    """Runs with an interval. iter8 gives none if its own delays could decide the verdict."""
    return [run for run in runs if _at_the_truth(run)["interval"]]


def _coverage_row(name, measured, simulated, over):
    judged, simulations = _judged(measured), len(simulated)
    upper, lower = (sum(_misses(run)[end] for run in judged) for end in (0, 1))
    wrong = Counter(verdict for _, verdict in simulated)
    return [
        name, str(len(measured)), f"{measured[0]['truth_ms']:.1f}", f"{100 * _over_the_truth(measured):.2f}", f"{100 * over:.2f}",
        f"{len(judged) - upper - lower} of {len(judged)} ({upper} / {lower})",
        f"{100 * wrong['inconclusive'] / simulations:.1f} % "
        f"({100 * wrong['satisfied'] / simulations:.1f} / {100 * wrong['violated'] / simulations:.1f} %)",
    ]


def _dependence_row(name, measured, simulated, rate, seconds):
    verdicts = [_at_the_truth(run) for run in _judged(measured)]
    return [
        name,
        _median([verdict["dependence"]["deff"] for verdict in verdicts]),
        _median([dependent.deff for dependent, _ in simulated]),
        _median([verdict["effectiveSamples"] for verdict in verdicts], "{:.0f}"),
        _median([effective_samples(rate * seconds, dependent) for dependent, _ in simulated], "{:.0f}"),
    ]


def _verdict_row(name, factor, measured, simulated):
    verdicts = [run["verdicts"][str(factor)] for run in measured]
    counts, expected = Counter(verdict["verdict"] for verdict in verdicts), Counter(verdict for _, verdict in simulated)
    passed = sum(verdict["value"] <= verdict["limit"] for verdict in verdicts)
    return [
        name, f"{verdicts[0]['limit']:.1f} (× {factor})",
        " / ".join(str(counts[verdict]) for verdict in VERDICTS),
        " / ".join(f"{100 * expected[verdict] / len(simulated):.0f}" for verdict in VERDICTS),
        f"{passed} / {len(verdicts) - passed}",
    ]


COVERAGE = [
    "service", "runs", "true p95, ms", "requests over it, %: measured", "simulated",
    "intervals with the true p95 (below / above it): measured", "simulated",
]
DEPENDENCE = ["service", "design effect: measured", "simulated", "effective requests: measured", "simulated"]
JUDGED = [
    "service", "limit of p95, ms", "satisfied / violated / inconclusive: runs", "simulated, %", "point rule: satisfied / violated: runs",
]


def tables(laws, runs, rate, seconds, simulations):
    """Markdown of the tables and of the checks below them."""
    every, runs = runs, [run for run in runs if run["server_late_ms"][1] <= TOO_LATE]
    below, above = (sum(_misses(run)[end] for run in _judged(every)) for end in (0, 1))
    coverage, dependent, judged = [], [], []
    for name, law in laws.items():
        measured = [run for run in runs if run["law"] == name]
        if not measured:
            continue
        truth = measured[0]["truth_ms"] / 1e3
        limits = [truth * factor for factor in LIMITS]
        simulated = list(zip(*(simulate(law, rate, seconds, limits, SHARE_OVER, f"{name} {seed}") for seed in range(simulations))))
        at_truth = simulated[LIMITS.index(1.0)]
        coverage.append(_coverage_row(name, measured, at_truth, share_over(law, rate, seconds, truth, simulations)))
        dependent.append(_dependence_row(name, measured, at_truth, rate, seconds))
        judged += [_verdict_row(name, factor, measured, results) for factor, results in zip(LIMITS, simulated)]
    checks = [
        f"- Requests per run: {', '.join(sorted({str(run['requests']) for run in runs}))}; failed: {sum(run['errors'] for run in runs)}.",
        f"- Runs without an interval: {len(runs) - len(_judged(runs))}.",
        f"- Runs left out because the service was late: {len(every) - len(runs)}. With them, {below} intervals of "
        f"{len(_judged(every))} are below the true p95 and {above} above it.",
        "- Largest relative difference of a document's design effect and that of its counts: "
        f"{max(map(_recomputed, _judged(runs)), default=0):.0e}.",
        f"- p99 of the lateness of a run's requests: {_median([run['own_late_p99_ms'] for run in runs])} ms; of the service's responses: "
        f"{_median([run['server_late_ms'][1] for run in runs])} ms.",
    ]
    return "\n\n".join([
        _markdown(COVERAGE, coverage), _markdown(DEPENDENCE, dependent), _markdown(JUDGED, judged), "\n".join(checks),
    ])

"""Simulates the same loads, and judges them with a second implementation of the rules, in nothing but Python's standard library."""

import math
import random
from dataclasses import dataclass

ALPHA = 0.05
# Below this many effective requests over a limit, those over a lower latency tell more of their dependence.
FEW = 20
# Seconds before a run that are not measured.
WARM_UP = 5


@dataclass
class Dependence:
    """Design effect, and the degrees of freedom of its estimate."""

    deff: float
    df: float


def _variance(deviations):
    """Variance of a sum of deviations per second, which may depend on each other, and its degrees of freedom.

    The largest of: batches of 1, 2, 4, … seconds, and an autoregression from second to second.
    """
    count, best = len(deviations), (0.0, 1.0)
    size = 1
    while count // size >= (2 if size == 1 else 5):
        batches = count // size
        sums = [sum(deviations[size * batch:size * (batch + 1)]) for batch in range(batches - 1)]
        sums.append(sum(deviations[size * (batches - 1):]))
        candidates = [(batches / (batches - 1) * sum(value * value for value in sums), batches - 1)]
        squares = sum(value * value for value in deviations)
        if size == 1 and count >= 8 and squares > 0:
            phi = sum(a * b for a, b in zip(deviations, deviations[1:])) / squares
            phi = min(max((count * phi + 1) / (count - 3), 0.0), 0.95)
            growth = (1 + phi) / (1 - phi)
            candidates.append((growth * candidates[0][0], max((count - 1) / growth, 2.0)))
        for candidate in candidates:
            best = candidate if candidate[0] > best[0] else best
        size *= 2
    return best


def dependence(requests, over):
    """Dependence of the requests over a limit, from the counts of every second."""
    total, share = sum(requests), sum(over) / sum(requests)
    if share in (0.0, 1.0):
        return Dependence(1.0, len(requests) - 1)
    variance, df = _variance([k - share * n for n, k in zip(requests, over)])
    if variance == 0:
        return Dependence(1.0, len(requests) - 1)
    return Dependence(max(variance / (total * share * (1 - share)), 1.0), df)


def lower_latency(median, p90, limit):
    """Latency whose exceedances stand in for those of a limit above p90: the middle to the median on a log scale, at least p90."""
    return max(p90, math.sqrt(median * limit))


def with_tail(requests, over, over_lower, is_above_p90):
    """Dependence of the requests over a limit; that of those over the lower latency if they are few and it is larger."""
    own = dependence(requests, over)
    if is_above_p90 and sum(over) / own.deff < FEW:
        tail = dependence(requests, over_lower)
        return tail if tail.deff > own.deff else own
    return own


def _beta(x, a, b):
    """Regularised incomplete beta function, by Lentz's continued fraction."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    result = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / (1 + term * d)
            c = 1 + term / c
            result *= c * d
        if abs(c * d - 1) < 1e-12:
            break
    return front * result


def _student(df):
    """Quantile 1 − α of Student's t."""
    low, high = 0.0, 1e3
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if _beta(df / (df + middle * middle), df / 2, 0.5) / 2 > ALPHA else (low, middle)
    return high


def effective_samples(total, dependent):
    """Independent requests that are worth as much as all requests."""
    return total / dependent.deff * (_student(total - 1) / _student(dependent.df)) ** 2


def verdict(total, over, dependent, share):
    """Verdict if at most this share of the requests may be over the limit."""
    n = effective_samples(total, dependent)
    k = over / total * n
    if 1 - _beta(share, k + 1, n - k) <= ALPHA:
        return "satisfied"
    if k > 0 and _beta(share, k, n - k + 1) <= ALPHA:
        return "violated"
    return "inconclusive"


def arrivals(rate, seconds, times):
    """Times of random arrivals."""
    time = times.expovariate(rate)
    while time < seconds:
        yield time
        time += times.expovariate(rate)


def iter8_arrivals(rate, seconds):
    """Times of iter8's random arrivals, which are the same in every run: see src/load/pacing/exponential.rs."""
    mask, counter, time = (1 << 64) - 1, 0x1F83_D9AB_FB41_BD6B, 0.0
    while True:
        counter = (counter + 0x9E37_79B9_7F4A_7C15) & mask
        bits = (counter ^ (counter >> 30)) * 0xBF58_476D_1CE4_E5B9 & mask
        bits = (bits ^ (bits >> 27)) * 0x94D0_49BB_1331_11EB & mask
        time -= math.log((((bits ^ (bits >> 31)) >> 11) + 1) / (1 << 53)) / rate
        if time >= seconds:
            return
        yield time


def _latencies(law, warm_up, measured, seed):
    """Latencies of the measured requests with the second of each."""
    finish = law.service(f"service {seed}")
    for time in warm_up:
        finish(time)
    return [(int(time), finish(WARM_UP + time) - WARM_UP - time) for time in measured]


def share_over(law, rate, seconds, limit, simulations):
    """Share of requests over a limit in many runs with iter8's arrivals."""
    warm_up, measured = list(iter8_arrivals(rate, WARM_UP)), list(iter8_arrivals(rate, seconds))
    runs = (_latencies(law, warm_up, measured, seed) for seed in range(simulations))
    return sum(latency > limit for run in runs for _, latency in run) / len(measured) / simulations


def simulate(law, rate, seconds, limits, share, seed):
    """Simulates one run; returns the dependence and the verdict for each limit in seconds."""
    times, blocks = random.Random(seed), [[] for _ in range(seconds)]
    for second, latency in _latencies(law, arrivals(rate, WARM_UP, times), arrivals(rate, seconds, times), seed):
        blocks[second].append(latency)
    latencies = sorted(latency for block in blocks for latency in block)
    median, p90 = (latencies[math.ceil(q * len(latencies)) - 1] for q in (0.5, 0.9))
    requests = [len(block) for block in blocks]

    def over(limit):
        return [sum(latency > limit for latency in block) for block in blocks]

    results = []
    for limit in limits:
        counts = over(limit)
        dependent = with_tail(requests, counts, over(lower_latency(median, p90, limit)), limit > p90)
        results.append((dependent, verdict(sum(requests), sum(counts), dependent, share)))
    return results

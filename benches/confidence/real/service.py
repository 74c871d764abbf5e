"""HTTP services whose latencies follow a law, with the exact share of latencies over a limit. Needs only Python's standard library."""

import asyncio
import math
import random
from dataclasses import dataclass

# Seconds that the way to the service and back and the timers add to a latency on the machine of the README's results. The service
# responds so much earlier.
OVERHEAD = 0.001

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Independent:
    """Requests that know nothing of each other."""

    mean: float

    def service(self, seed):
        times = random.Random(seed)
        return lambda arrival: arrival + times.expovariate(1 / self.mean)

    def share_over(self, latency):
        return math.exp(-latency / self.mean)


@dataclass
class Queue:
    """A single worker with exponential service times, whose clients send at random: an M/M/1 queue.

    The random arrivals of iter8 are the same in every run, so other clients send a part of the requests.
    """

    utilization: float
    rate: float
    """Requests of all clients per second."""
    others: float
    """Requests of other clients per second."""

    def service(self, seed):
        times, free, other = random.Random(seed), 0.0, None

        def worked(arrival):
            return max(free, arrival) + times.expovariate(self.rate / self.utilization)

        def finish(arrival):
            nonlocal free, other
            other = arrival if other is None else other
            while other < arrival:
                free = worked(other)
                other += times.expovariate(self.others)
            free = worked(arrival)
            return free

        return finish

    def share_over(self, latency):
        return math.exp(-latency * self.rate * (1 / self.utilization - 1))


@dataclass
class Stalls:
    """Independent exponential latencies, and stalls in which nothing starts. Times between stalls are exponential."""

    mean: float
    length: float
    between: float

    def service(self, seed):
        times = random.Random(seed)
        # The stall that ends last, starting before or after the latest arrival.
        stall = None

        def finish(arrival):
            nonlocal stall
            if stall is None:
                # Starts in the steady state: within a stall with the probability of one.
                stalled = times.random() < self.length / (self.length + self.between)
                stall = arrival - times.random() * self.length if stalled else arrival + times.expovariate(1 / self.between)
            while stall + self.length <= arrival:
                stall += self.length + times.expovariate(1 / self.between)
            start = stall + self.length if stall <= arrival else arrival
            return start + times.expovariate(1 / self.mean)

        return finish

    def share_over(self, latency):
        x, mean, length = latency, self.mean, self.length
        stalled = length / (length + self.between)
        plain = math.exp(-x / mean)
        if x <= length:
            rest = 1 - x / length + mean / length * (1 - plain)
        else:
            rest = mean / length * (math.exp(-(x - length) / mean) - plain)
        return (1 - stalled) * plain + stalled * rest


def quantile(law, share_over):
    """Latency in seconds that this share of the requests exceeds."""
    low, high = 0.0, 100.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if law.share_over(middle) > share_over else (low, middle)
    return high


class Connection(asyncio.Protocol):
    """Responds to GET requests when the service is done with them."""

    def __init__(self, finish, lateness):
        self.finish, self.lateness = finish, lateness

    def connection_made(self, transport):
        self.transport, self.received = transport, b""

    def data_received(self, data):
        self.received += data
        while b"\r\n\r\n" in self.received:
            self.received = self.received.partition(b"\r\n\r\n")[2]
            loop = asyncio.get_running_loop()
            due = self.finish(loop.time())
            loop.call_at(due - OVERHEAD, self.respond, due - OVERHEAD)

    def respond(self, due):
        if not self.transport.is_closing():
            self.transport.write(RESPONSE)
            self.lateness.append(asyncio.get_running_loop().time() - due)


async def serve(law, seed):
    """Starts a service; returns the server, its URL, and a list that gets the seconds by which responses are sent late."""
    finish, lateness = law.service(seed), []
    server = await asyncio.get_running_loop().create_server(lambda: Connection(finish, lateness), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    return server, f"http://{host}:{port}/", lateness

"""The clients: wrk and pgbench, and what they tell."""

import dataclasses
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
# In milliseconds.
UNITS = {"us": 0.001, "ms": 1.0, "s": 1_000.0, "m": 60_000.0}
BYTES = {"B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30}


@dataclasses.dataclass
class Driven:
    """What a client did."""

    requests: int
    # Each second.
    rate: float
    # Milliseconds; none if the client did not look.
    p50: float | None = None
    p99: float | None = None
    # Of an answer with its head.
    bytes: float | None = None
    # Requests that got no right answer, as far as the client can tell.
    failed: int = 0
    # Answers that took more than two seconds.
    late: int = 0


def finish(process, patience):
    out, err = process.communicate(timeout=patience)
    if process.returncode != 0:
        sys.exit(f"{process.args[0]} failed:\n{out}\n{err}")
    return out


def begin_wrk(port, script, variables, connections, seconds):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}", "--latency", "-s", str(HERE / "wrk" / script)]
    return subprocess.Popen(
        [*command, f"http://127.0.0.1:{port}"],
        env=dict(os.environ, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end_wrk(process, patience=60):
    return read_wrk(finish(process, patience))


def read_wrk(text):
    def milliseconds(percent):
        # Units of one letter are padded.
        number, unit = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s|m) *$", text, re.MULTILINE).groups()
        return float(number) * UNITS[unit]

    done, size, unit = re.search(r"(\d+) requests in .*?, ([\d.]+)(B|KB|MB|GB) read", text).groups()
    requests = int(done)
    if not requests:
        sys.exit(f"nothing was answered:\n{text}")
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    *lost, late = map(int, broken.groups()) if broken else (0, 0)
    return Driven(
        requests=requests,
        rate=float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)),
        p50=milliseconds(50),
        p99=milliseconds(99),
        bytes=float(size) * BYTES[unit] / requests,
        failed=sum(lost) + (int(refused.group(1)) if refused else 0),
        late=late,
    )


def pgbench(url, script, connections, seconds, look=False):
    """As the limit was measured. With `look` also the percentiles, from a log that takes some of the speed."""
    command = [os.environ["PGBENCH"], "-n", "-M", "prepared", "-c", str(connections), "-j", "1", "-T", f"{seconds:.0f}"]
    with tempfile.TemporaryDirectory() as directory:
        if look:
            command += ["--log", "--log-prefix", f"{directory}/log"]
        process = subprocess.Popen(
            [*command, "-f", str(HERE / "limit" / script), url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        driven = read_pgbench(finish(process, seconds + 60))
        if look:
            driven.p50, driven.p99 = percentiles(logged(directory))
    return driven


def read_pgbench(text):
    failed = re.search(r"number of failed transactions: (\d+)", text)
    return Driven(
        requests=int(re.search(r"number of transactions actually processed: (\d+)", text).group(1)),
        rate=float(re.search(r"^tps = ([\d.]+) \(without initial connection time\)", text, re.MULTILINE).group(1)),
        failed=int(failed.group(1)) if failed else 0,
    )


def logged(directory):
    """How long each transaction took, in milliseconds."""
    lines = (line for file in pathlib.Path(directory).iterdir() for line in file.read_text().splitlines())
    return [int(line.split()[2]) / 1_000 for line in lines]


def percentiles(times):
    times = sorted(times)
    return times[math.ceil(len(times) * 0.50) - 1], times[math.ceil(len(times) * 0.99) - 1]

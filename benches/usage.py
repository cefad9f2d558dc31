"""What processes use, as the kernel counts it."""

import os
import pathlib
import re
import resource
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")


def stat(pid):
    """The fields of /proc/PID/stat behind the name, which may hold anything; none if the process is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def family(root):
    """The process and all that descend from it."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := stat(entry)):
            parents.setdefault(int(fields[1]), []).append(int(entry))
    found = [root]
    for pid in found:
        found.extend(parents.get(pid, ()))
    return found


def cpu_seconds(root):
    """Of the process and its family, ended ones too: those are in what their parents waited for."""
    ticks = 0
    for pid in family(root):
        if fields := stat(pid):
            ticks += sum(map(int, fields[11:15]))
    return ticks / TICKS


def busy_seconds():
    """Of all processors together, by whomever, what the host took of them among it."""
    user, nice, system, _idle, _waiting, irq, soft, stolen = map(int, pathlib.Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + soft + stolen) / TICKS


def clients_seconds():
    """Of all clients that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def huge_pages():
    """Whether any of the huge pages that were set aside are in use."""
    counted = dict(re.findall(r"^HugePages_(\w+):\s+(\d+)", pathlib.Path("/proc/meminfo").read_text(), re.MULTILINE))
    return int(counted.get("Total", 0)) > int(counted.get("Free", 0))


def memory(root, name):
    """VmRSS (now) or VmHWM (the most so far) of the process and its family, in MB."""
    kilobytes = 0
    for pid in family(root):
        try:
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        found = re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)
        kilobytes += int(found.group(1)) if found else 0
    return kilobytes / 1000


class Resident:
    """The most resident memory that was seen five times a second while inside."""

    def __init__(self, root):
        self.root, self.most, self.ended = root, 0.0, threading.Event()

    def __enter__(self):
        self.thread = threading.Thread(target=self.sample, daemon=True)
        if self.root:
            self.thread.start()
        return self

    def sample(self):
        while not self.ended.wait(0.2):
            self.most = max(self.most, memory(self.root, "VmRSS"))

    def __exit__(self, *_):
        self.ended.set()
        if self.root:
            self.thread.join()


def rest(roots, patience=90):
    """Waits until all of these together take less than a twentieth of a core; answers for how long they did not. Whatever
    the last measurement left behind must not count for the next."""
    begun = time.monotonic()
    while True:
        before = [cpu_seconds(root) for root in roots]
        looked = time.monotonic()
        time.sleep(0.4)
        used = sum(cpu_seconds(root) for root in roots) - sum(before)
        if used <= 0.05 * (time.monotonic() - looked) or looked - begun > patience:
            return looked - begun

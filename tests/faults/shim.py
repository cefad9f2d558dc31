"""The page that rules what `shim.c` does to one server: its wall clock, and whether its files can be synced."""

import mmap
import os
import struct

from regulars import DIRECTORY

LIBRARY = os.environ["FAULTS_SHIM"]
# In the order of the struct in shim.c, eight bytes each.
CLOCK, FAIL_EVERY, SYNCS, FAILED = 0, 8, 16, 24
DAY, HOUR, MINUTE = 86_400, 3_600, 60


class Shim:
    """One server's page; `files` is a part of the paths of files whose syncs it may fail."""

    count = 0

    def __init__(self, files=None):
        Shim.count += 1
        self.file = DIRECTORY / f"shim-{Shim.count}"
        self.file.write_bytes(bytes(mmap.PAGESIZE))
        with open(self.file, "r+b") as opened:
            self.page = mmap.mmap(opened.fileno(), mmap.PAGESIZE)
        self.variables = {"LD_PRELOAD": LIBRARY, "FAULTS_PAGE": str(self.file)}
        if files:
            self.variables["FAULTS_FILES"] = files

    def set(self, place, number):
        struct.pack_into("=q", self.page, place, number)

    def get(self, place):
        return struct.unpack_from("=q", self.page, place)[0]

    def move_clock(self, seconds):
        """From now on the server's wall clock is so far from the machine's."""
        self.set(CLOCK, seconds * 1_000_000_000)

    def fail_syncs(self, every):
        """From now on every so many-th sync fails with EIO; 0 lets all succeed."""
        self.set(FAIL_EVERY, every)

"""The throwaway PostgreSQL as something that is killed, stopped, frozen and started again. It was begun by prepare.sh;
tests/postgres.sh starts it again with the options it had."""

import asyncio
import os
import pathlib
import signal
import subprocess
import time

DIRECTORY = pathlib.Path(os.environ["FAULTS_POSTGRES_DIRECTORY"])
SCRIPT = pathlib.Path(__file__).parent.parent / "postgres.sh"
SOURCED = f"""
. '{SCRIPT}'
postgres_directory=$1 postgres_port=$2 postgres_user=$3
shift 3
programs=$(postgres_programs)
"""
# A server that comes after one that was killed may have to wait until the last of that one's processes are gone. Then it
# has to recover, which may take longer than a launch waits for: it syncs every file there is.
START = (
    SOURCED
    + """
postgres_options=("$@")
launched() {
    local waited
    postgres_launch "$programs" && return 0
    for ((waited = 0; waited < 600; waited++)); do
        kill -0 "$postgres_process" 2>/dev/null || return 1
        "$programs/pg_isready" -q -h 127.0.0.1 -p "$postgres_port" && return 0
        sleep 0.2
    done
    return 1
}
for ((tries = 0; tries < 150; tries++)); do
    if launched; then
        echo up
        wait "$postgres_process"
        exit
    fi
    sleep 0.2
done
exit 1
"""
)
STOP = SOURCED + 'cd "$postgres_directory"; (postgres_become "$programs/pg_ctl" -D "$postgres_directory/data" -m "$1" -w stop)'


class Cluster:
    """One server of PostgreSQL with all its processes."""

    def __init__(self):
        port, user = os.environ["FAULTS_POSTGRES_PORT"], os.environ["FAULTS_POSTGRES_USER"]
        self.arguments = [str(DIRECTORY), port, user]
        self.keepers = []

    def postmaster(self):
        return int((DIRECTORY / "data" / "postmaster.pid").read_text().split()[0])

    def processes(self):
        """The postmaster and what it began."""
        first, found = self.postmaster(), []
        for process in pathlib.Path("/proc").iterdir():
            if process.name.isdigit() and parent_of(process) == first:
                found.append(int(process.name))
        return [first, *found]

    def named(self, what):
        """The process whose title has these words."""
        for process in self.processes():
            if what in pathlib.Path(f"/proc/{process}/cmdline").read_text():
                return process
        raise LookupError(f"no {what} among the processes of PostgreSQL")

    def signal_all(self, number):
        for process in self.processes():
            try:
                os.kill(process, number)
            except ProcessLookupError:
                # A backend whose client has just gone.
                pass

    async def gone(self, process):
        """Waits until a process that was told to end is no more; its parent may have to look first."""
        deadline = time.monotonic() + 30
        while is_alive(process):
            if time.monotonic() > deadline:
                raise TimeoutError(f"process {process} of PostgreSQL is still there")
            await asyncio.sleep(0.02)

    async def kill(self):
        """Kills the postmaster alone: its children have to find out."""
        first = self.postmaster()
        os.kill(first, signal.SIGKILL)
        await self.gone(first)

    async def kill_all(self):
        """Kills everything at once, as a machine does that loses its power."""
        first = self.postmaster()
        self.signal_all(signal.SIGKILL)
        await self.gone(first)

    async def stop(self, mode):
        """`pg_ctl stop`."""
        first = self.postmaster()
        command = ["bash", "-euo", "pipefail", "-c", STOP, "stop", *self.arguments, mode]
        await asyncio.to_thread(subprocess.run, command, check=True, stdout=subprocess.DEVNULL)
        await self.gone(first)

    async def start(self, *options):
        """Starts it with the usual options and these, and waits until it takes connections."""
        # From this thread: the server is to end with the process, and the kernel takes the thread for that.
        command = ["setpriv", "--pdeathsig", "TERM", "bash", "-euo", "pipefail", "-c", START, "start", *self.arguments, *options]
        # A shell tells of every child that was killed.
        with open(DIRECTORY / "server.log", "a") as log:
            keeper = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, stderr=log, text=True)
        self.keepers.append(keeper)
        if await asyncio.to_thread(keeper.stdout.readline) != "up\n":
            log = (DIRECTORY / "server.log").read_text("utf-8", "replace")
            raise RuntimeError(f"PostgreSQL did not start again: {log[-2000:]}")

    async def make_sure(self):
        """Starts it, or lets it go on, if a case that broke off left it otherwise."""
        try:
            is_there = is_alive(self.postmaster())
        except FileNotFoundError:
            is_there = False
        if is_there:
            self.signal_all(signal.SIGCONT)
        else:
            await self.start()

    async def leave(self):
        """Stops it, if it is one that was started here: whoever started the first one cannot stop it."""
        if self.keepers and self.keepers[-1].poll() is None:
            await self.stop("fast")


def parent_of(process):
    """The parent of a process in /proc; none if it has ended meanwhile."""
    try:
        # The name before it, in brackets, may have blanks.
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def is_alive(process):
    """Whether it is there and not only waits to be looked after by its parent."""
    try:
        return pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

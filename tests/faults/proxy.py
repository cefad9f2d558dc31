"""A TCP proxy that can be bad: late, cut off, or only half of what was sent. Standard library only."""

import asyncio
import contextlib

CHUNK = 65_536
# Seconds that something is late at most.
LATEST = 3
# What PostgreSQL answers to a COMMIT that went through: CommandComplete with its length and its words.
COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"


class Connection:
    """One connection and its counterpart behind the proxy."""

    def __init__(self, near, far):
        self.near, self.far = near, far

    def cut(self):
        """Both ends at once, with whatever was on its way."""
        for _, writer in (self.near, self.far):
            writer.transport.abort()


class Proxy:
    """Stands before a port. `badness` is asked about every chunk; while it is None everything passes as it is."""

    def __init__(self, port):
        self.behind, self.badness, self.server, self.port = port, None, None, None
        self.connections, self.tasks = set(), set()
        # How often it was bad.
        self.done = 0

    async def begin(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self.port

    async def serve(self, *near):
        try:
            far = await asyncio.open_connection("127.0.0.1", self.behind)
        except OSError:
            near[1].close()
            return
        connection, task = Connection(near, far), asyncio.current_task()
        self.connections.add(connection)
        self.tasks.add(task)
        try:
            # An end of one side is told to the other, which may have something to say still.
            async with asyncio.TaskGroup() as both:
                both.create_task(self.carry(connection, near[0], far[1], to_server=True))
                both.create_task(self.carry(connection, far[0], near[1], to_server=False))
        except* OSError:
            # One side is gone: so is the other.
            connection.cut()
        finally:
            self.connections.discard(connection)
            self.tasks.discard(task)
            for _, writer in (near, far):
                writer.close()

    async def carry(self, connection, reader, writer, to_server):
        while chunk := await reader.read(CHUNK):
            if self.badness is not None:
                chunk = await self.badness(connection, chunk, to_server)
                if chunk is None:
                    self.done += 1
                    connection.cut()
                    return
            writer.write(chunk)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.write_eof()

    def cut_all(self):
        for connection in list(self.connections):
            connection.cut()

    async def end(self):
        self.server.close()
        self.cut_all()
        if self.tasks:
            # Some may still be late.
            await asyncio.wait(self.tasks, timeout=LATEST + 1)


class Badness:
    """What is done to a chunk: it is answered, late perhaps, or None, and the connection is cut. Decided by a seed."""

    def __init__(self, generator):
        self.generator = generator

    def happens(self, chance):
        return self.generator.random() < chance


class Late(Badness):
    """Every chunk waits a little, and now and then for seconds."""

    def __init__(self, proxy, generator):
        super().__init__(generator)
        self.proxy = proxy

    async def __call__(self, connection, chunk, to_server):
        if self.happens(0.3):
            self.proxy.done += 1
            await asyncio.sleep(LATEST if self.happens(0.01) else self.generator.uniform(0, 0.05))
        return chunk


class AfterCommit(Badness):
    """The database says that it has committed, and nobody hears it."""

    async def __call__(self, connection, chunk, to_server):
        # Whole: the answer to a COMMIT is small, and is written at once.
        if not to_server and COMMITTED in chunk and self.happens(0.05):
            return None
        return chunk


class Half(Badness):
    """Half of a chunk arrives, to either side, and then nothing more."""

    def __init__(self, generator, chance, to_server=None):
        super().__init__(generator)
        self.chance, self.to_server = chance, to_server

    async def __call__(self, connection, chunk, to_server):
        if self.to_server not in (None, to_server) or not self.happens(self.chance):
            return chunk
        _, writer = connection.far if to_server else connection.near
        writer.write(chunk[: self.generator.randrange(len(chunk))])
        with contextlib.suppress(OSError):
            await writer.drain()
        # The kernel has it; an abort would take it back.
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return None

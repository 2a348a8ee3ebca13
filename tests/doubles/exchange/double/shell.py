"""A shell: one runspace pool of psrpcore, its pipelines, and the bytes that wait for a Receive."""

import collections
import queue
import struct
import threading
import time
import uuid
from xml.etree import ElementTree

from psrpcore import (
    CreatePipelineEvent,
    EndOfPipelineInputEvent,
    GetCommandMetadataEvent,
    PipelineInputEvent,
    PSRPPayload,
    ServerPipeline,
    ServerRunspacePool,
    StreamType,
)
from psrpcore._payload import PSRPMessage, create_message
from psrpcore.types import PSInt, PSInvocationState, PSRPMessageType, serialize

from . import pipeline, records
from .basics import Selected
from .session import Session, Stopped

FRAGMENT = 32768
_cache = {}  # objects that were serialized before; a mailbox that changed has another key


def parts(data, few=16):
    """Cuts fragments into groups of a few."""
    begin = at = count = 0
    while at + 21 <= len(data):
        at += 21 + struct.unpack(">I", data[at + 17:at + 21])[0]
        count += 1
        if count % few == 0:
            yield data[begin:at]
            begin = at
    yield data[begin:]


class Broken(Exception):
    """The connection dies here, as if the server had gone."""


class Shell:
    """One session of one user."""

    def __init__(self, world, server, endpoint, user, name, cookie):
        self.id = name
        self.world = world
        self.session = Session(world, server, user, endpoint)
        self.cookie = cookie
        self.pool = ServerRunspacePool()
        self.changed = threading.Condition(threading.RLock())
        self.waiting = collections.deque()
        self.commands = {}
        self.names = {}  # what the commands are called outside
        self.turn = threading.Lock()
        self.closed = False
        self.touched = time.monotonic()
        self.idle_timeout = 900.0

    def feed(self, data, command=None):
        """Takes fragments from the client."""
        with self.changed:
            # psrpcore looks through all that waits for each event, so it is given little at a time.
            for part in parts(data):
                self.pool.receive_data(PSRPPayload(part, StreamType.default, command))
                while (event := self.pool.next_event()) is not None:
                    self._handle(event)
            self.drain()

    def _handle(self, event):
        running = self.commands.get(event.pipeline_id)
        if isinstance(event, (CreatePipelineEvent, GetCommandMetadataEvent)) and running is not None:
            running.begin(event)
        elif isinstance(event, PipelineInputEvent) and running is not None:
            running.input.put(event.data)
        elif isinstance(event, EndOfPipelineInputEvent) and running is not None:
            running.input.put(Running.END)

    def command(self, name, data):
        with self.changed:
            number = uuid.UUID(name)
            self.commands[number] = Running(self, number)
            self.feed(data, number)

    def drain(self):
        """Moves what psrpcore wants to send to where a Receive will look for it."""
        with self.changed:
            while (payload := self.pool.data_to_send(FRAGMENT)) is not None:
                running = self.commands.get(payload.pipeline_id)
                (running.waiting if running is not None else self.waiting).append(payload.data)
            self.changed.notify_all()

    def receive(self, command, limit, seconds):
        """Waits for output; returns (fragments, done) or None when none came in time."""
        deadline = time.monotonic() + seconds
        with self.changed:
            running = self.commands.get(uuid.UUID(command)) if command else None
            if command and running is None:
                raise KeyError(command)
            source = running.waiting if running else self.waiting
            while not source and not (running and running.done) and not self.closed:
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self.changed.wait(left)
                self.world_broken()
            # A moment more, so that a busy pipeline fills the answer; a real server does the same.
            if running and not running.done and sum(map(len, source)) < limit // 2:
                self.changed.wait(0.002)
            taken, size = [], 0
            while source and (not taken or (size + len(source[0])) * 4 // 3 < limit):
                size += len(source[0])
                taken.append(source.popleft())
            return taken, bool(running and running.done and not source)

    def world_broken(self):
        if self.session.server.down:
            raise Broken

    def signal(self, command, terminate):
        with self.changed:
            running = self.commands.get(uuid.UUID(command))
            if running is None:
                raise KeyError(command)
            running.stop()
            if terminate:
                self.commands.pop(running.number)
                self.pool.pipeline_table.pop(running.number, None)

    def close(self):
        with self.changed:
            self.closed = True
            for running in self.commands.values():
                running.stop()
            self.changed.notify_all()


class Running:
    """One pipeline while it runs."""

    END = object()

    def __init__(self, shell, number):
        self.shell = shell
        self.number = number
        self.pipeline = ServerPipeline(shell.pool, number)
        self.input = queue.Queue()
        self.waiting = collections.deque()
        self.done = False
        self.stopped = False
        self.inputs = 0

    def begin(self, event):
        self.pipeline.start()
        thread = threading.Thread(target=self._run, args=(event,), daemon=True)
        thread.start()

    def stop(self):
        self.stopped = True
        self.input.put(Running.END)

    def _run(self, event):
        # One runspace, one pipeline at a time.
        with self.shell.turn:
            self._take_turn(event)

    def _take_turn(self, event):
        session = self.shell.session
        session.running = self
        try:
            if isinstance(event, GetCommandMetadataEvent):
                self._metadata(event.pipeline)
            else:
                created = event.pipeline
                names = [command.command_text for command in created.commands]
                self.shell.world.note("pipeline", commands=names, server=session.server.name, user=session.user,
                                      endpoint=session.endpoint.name,
                                      input=not created.no_input)
                source = None if created.no_input else self._inputs()
                pipeline.run(session, created.commands, source, self.write)
            self._finish(PSInvocationState.Completed)
        except Stopped:
            with self.shell.changed:
                self.pipeline.stop()
            self._finish(None)
        except records.Terminate as problem:
            self._finish(PSInvocationState.Failed, problem.record)
        except Broken:
            self.shell.session.server.down = True
            with self.shell.changed:
                self.shell.changed.notify_all()
        finally:
            session.running = None

    def _metadata(self, wanted):
        session = self.shell.session
        found = []
        for pattern in wanted.name if isinstance(wanted.name, list) else [wanted.name]:
            command = session.cmdlet("Get-Command")(session, {"Name": [pattern]})
            found += list(command.process(None))
        names = ("Name", "Namespace", "HelpUri", "CommandType", "ResolvedCommandName", "OutputType", "Parameters")
        self.write(records.selected(["Selected.Microsoft.PowerShell.Commands.GenericMeasureInfo",
                                     "System.Management.Automation.PSCustomObject", "System.Object"],
                                    [("Count", PSInt(len(found)))]))
        for made in found:
            self.write(Selected(made, names))

    def _inputs(self):
        while (given := self.input.get()) is not Running.END:
            yield given
        if self.stopped:
            raise Stopped

    def seen(self, identity):
        """Counts a write, and goes down in the middle of a chunk if a test wants that."""
        self.inputs += 1
        fault = self.shell.world.fault("gone", server=self.shell.session.server.name)
        if fault:
            raise Broken

    def write(self, value):
        key = value.key() if hasattr(value, "key") else None
        data = _cache.get(key) if key else None
        if data is None:
            made = value.build() if hasattr(value, "build") else value
            if key is None:
                with self.shell.changed:
                    self.pipeline.write_output(made)
                    self.shell.drain()
                return
            data = ElementTree.tostring(serialize(made, self.shell.pool._cipher), encoding="utf-8", method="xml")
            _cache[key] = data
        with self.shell.changed:
            pool = self.shell.pool
            whole = create_message(False, PSRPMessageType.PipelineOutput, data, pool.runspace_pool_id, self.number)
            pool._send_buffer.append(PSRPMessage(PSRPMessageType.PipelineOutput, bytearray(whole),
                                                 pool.runspace_pool_id, self.number, pool._fragment_counter))
            self.shell.drain()

    def write_error(self, record):
        with self.shell.changed:
            self.pipeline.prepare_message(record, message_type=PSRPMessageType.ErrorRecord)
            self.shell.drain()

    def write_warning(self, text):
        with self.shell.changed:
            self.pipeline.write_warning(text)
            self.shell.drain()

    def _finish(self, state, error=None):
        with self.shell.changed:
            if state is not None:
                self.pipeline._change_state(state, error)
            self.done = True
            self.shell.drain()

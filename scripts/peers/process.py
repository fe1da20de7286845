"""A peer's worker process: started with pinned processors, asked with JSON lines, and ended when a request takes too long."""

import json
import os
import re
import select
import subprocess
from pathlib import Path


class PeerError(Exception):
    """A peer that cannot be installed or run; its text is the reason in the report."""


def cores(count=None):
    """The processors that a run of `count` threads is pinned to: one per physical core first, then their siblings.

    Without a count: one of every physical core that this process may use.
    """
    first, second, seen = [], [], set()
    for cpu in sorted(os.sched_getaffinity(0)):
        path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        core = path.read_text().strip() if path.exists() else str(cpu)
        (second if core in seen else first).append(cpu)
        seen.add(core)
    return (first + second)[:count] if count else first


def pinned_environment(threads):
    """Variables that tell every library the number of threads."""
    count = str(threads)
    return {
        **os.environ,
        "OMP_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "TOKENIZERS_PARALLELISM": "false",
    }


def pin(threads):
    """Pins the calling process; for `preexec_fn`."""
    return lambda: os.sched_setaffinity(0, cores(threads))


class Worker:
    def __init__(self, python, script, log, threads, environment=None, timeout=1800):
        self.log, self.timeout, self.name = Path(log), timeout, Path(script).stem
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log, "wb") as errors:
            self.process = subprocess.Popen(
                [str(python), "-B", str(script)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**pinned_environment(threads), **(environment or {})},
                preexec_fn=pin(threads),
            )

    def call(self, op, **arguments):
        """The value of a request; PeerError with the peer's own words where it failed."""
        try:
            self.process.stdin.write((json.dumps({"op": op, **arguments}) + "\n").encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            raise PeerError(self._death()) from None
        ready, _, _ = select.select([self.process.stdout], [], [], self.timeout)
        if not ready:
            self.process.kill()
            raise PeerError(f"{op} took longer than {self.timeout} s")
        line = self.process.stdout.readline()
        if not line:
            raise PeerError(self._death())
        reply = json.loads(line)
        if "error" in reply:
            raise PeerError(reply["error"])
        return reply["value"]

    @property
    def alive(self):
        return self.process.poll() is None

    def _death(self):
        status = self.process.wait()
        lines = [line.strip() for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        # A debugger's trace may follow the line that says why.
        reasons = [line for line in lines if re.search("assert|error|abort", line, re.IGNORECASE)] or lines[
            -1:
        ]
        return f"{self.name} ended with status {status}: {reasons[0] if reasons else 'no output'} (log: {self.log})"

    def close(self):
        if self.alive:
            self.process.stdin.close()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()

"""tree - processes and their descendants, by way of /proc. Needs nothing but Python."""

import ctypes
import os
import signal
import time


def tree(pid: int) -> list[int]:
    """The process and all that descend from it, parents first."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            parent = _parent(int(entry))
            if parent:
                children.setdefault(parent, []).append(int(entry))
    found = [pid]
    for one in found:
        found.extend(children.get(one, ()))
    return found


def adopt_orphans() -> None:
    """From now on the children of a process that we kill become ours, so that `kill_tree` can wait for them: in a
    container the first process may never do that, and they would stay as zombies."""
    pr_set_child_subreaper = 36
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def kill_tree(pid: int) -> None:
    """Stops all first, so that none can start another while the list is worked through."""
    signal_tree(pid, signal.SIGSTOP)
    killed = signal_tree(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    for one in killed - {pid}:
        while _is_unburied(one) and time.monotonic() < deadline:
            time.sleep(0.001)


def _is_unburied(pid: int) -> bool:
    """Waits for a process that may not have become our child yet; another's child is not ours to wait for."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == 0
    except ChildProcessError:
        return state(pid) != "X" and _parent(pid) != 1


def signal_tree(pid: int, number: int) -> set[int]:
    """Signals all of them, also those that appear meanwhile; returns their pids."""
    signalled: set[int] = set()
    while True:
        fresh = [one for one in tree(pid) if one not in signalled]
        if not fresh:
            return signalled
        for one in fresh:
            signalled.add(one)
            try:
                os.kill(one, number)
            except ProcessLookupError:
                pass


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name, which may hold blanks and brackets."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def state(pid: int) -> str:
    """The letter that ps shows: T stopped, Z zombie; X is our word for gone."""
    fields = _stat(pid)
    return fields[0] if fields else "X"


def memory_kib(pid: int) -> int:
    """Resident memory of one process, 0 if it is gone."""
    return _status_kib(pid, "VmRSS:")


def peak_memory_kib(pid: int) -> int:
    """The most resident memory that the process ever had, 0 if it is gone."""
    return _status_kib(pid, "VmHWM:")


def _status_kib(pid: int, name: str) -> int:
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            for line in file:
                if line.startswith(name):
                    return int(line.split()[1])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def cpu_seconds(pid: int) -> float:
    """CPU time of the process, of its living children, and of those children that it has waited for."""
    ticks = 0
    for one in tree(pid):
        fields = _stat(one)
        if fields:
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")

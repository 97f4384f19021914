"""Runs a command and prints its exit status, its time, its CPU time and the most memory that it and its children had, as
JSON; the command's own output goes to a log file: `python -m tools.measured LOG COMMAND...`.

A process of its own, because a child's peak includes what its parent had when it was made: this parent is small.
"""

import json
import os
import sys
import time


def main():
    log, command = sys.argv[1], sys.argv[2:]
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    actions = [(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
    start = time.perf_counter()
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=actions)
    _, status, usage = os.wait4(pid, 0)
    seconds = time.perf_counter() - start
    result = {
        "status": os.waitstatus_to_exitcode(status), "seconds": seconds, "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * 1024,
    }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()

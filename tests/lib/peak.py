"""peak - the largest resident set of a program that is run to its end."""

import subprocess
import sys
from collections.abc import Sequence

# By a small process of its own: a peak begins with that of the process that is forked, and pytest has seen many tests.
_RUN = """import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stderr=subprocess.STDOUT).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)"""


def peak_of(command: Sequence[str], **more) -> tuple[int, str, int]:
    """Exit code, what it says on standard output and error, and KiB. `more` as for subprocess.run()."""
    done = subprocess.run([sys.executable, "-c", _RUN, *command], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False, **more)
    return done.returncode, done.stdout, int(done.stderr.split()[-1])

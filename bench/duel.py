"""What the bench scripts share: competitors that take turns, medians with extremes, plain tables.

A competitor is a process that reads one command a line and answers one line: it sleeps while another is measured, and a busy
minute of a shared machine falls on all of them.
"""
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
LENGTHS = os.path.join(HERE, "beauty_lengths.txt")
# A build of OpenBLAS chosen for another machine would slow either side.
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")} | {"OPENBLAS_NUM_THREADS": "1"}


def program(name):
    """A program of the build: in this directory, in build/ beside bench/, or in $HEADRACE_BUILD."""
    places = [os.environ.get("HEADRACE_BUILD", "."), ".", os.path.join(HERE, "..", "build")]
    for place in places:
        if os.access(os.path.join(place, name), os.X_OK):
            return os.path.join(place, name)
    sys.exit(f"{name}: not built; run make, and this script from the build directory or with HEADRACE_BUILD=DIR")


def peer_python():
    """Python of the peers' virtual environment, or None, said aloud."""
    cache = os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))
    python = os.path.join(cache, "headrace", "venv", "bin", "python")
    if os.access(python, os.X_OK) and subprocess.run([python, "-c", "import torch"], capture_output=True).returncode == 0:
        return python
    print("the PyTorch peers are missing: bench/peers/setup installs them; ours alone follows\n")
    return None


def pinned(cpus, command):
    return ["taskset", "-c", cpus, *command]


class Competitor:
    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        self.about = self.process.stdout.readline().strip()
        if not self.about:
            sys.exit(f"{name}: did not start: {' '.join(command)}")

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"{self.name}: ended at \"{command}\"")
        return [float(word) for word in answer.split()]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def spread(values, digits=0):
    """Median [lowest..highest]."""
    return f"{statistics.median(values):,.{digits}f} [{min(values):,.{digits}f}..{max(values):,.{digits}f}]"


def table(head, rows):
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        cells = [str(c).ljust(w) if i == 0 else str(c).rjust(w) for i, (c, w) in enumerate(zip(row, widths))]
        print("  ".join(cells).rstrip())
    print(flush=True)


def ratio(value):
    """For the last line: na when one side was not there."""
    return "na" if value is None else f"{value:.2f}"


def cpu_name():
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return names[0] if names else "unknown"


def machine():
    load = os.getloadavg()[0]
    print(f"{cpu_name()}, {os.cpu_count()} cores, load {load:.1f} at the start\n")

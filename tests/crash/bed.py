"""The bed of the fault bench: a topic that is filled once, a daemon that can be started, watched and killed, and the verdict
on the state it leaves. The truth comes from the produced file, never from headrace."""
import collections
import errno
import os
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import time

PARTITIONS = 4
PATIENCE = 120  # seconds until a daemon that makes no progress is a failure

# Small and busy: many barriers, each with a step's worth of everything.
SETTINGS = {
    "events.start": "earliest", "output.partitions": 1, "http.enabled": "false", "log.level": "debug",
    "barrier.interval": "100ms", "barrier.events": 32, "state.free_min": 0, "state.free_pause": 0, "state.ballast": 0,
    "history.length": 20, "model.width": 32, "model.rules_kept": 16, "train.every": 64, "train.window": 64, "train.start_up": 0,
    "model.negatives": 64, "model.full_softmax_below": 0, "evaluate.share": 0.05,
}


# A backlog is read, then learned by epochs, instead of event by event.
STARTING = {"train.start_up": 2, "train.start_up_from": 1000, "train.start_up_batch": 256, "barrier.events": 256}


class Bed:
    def __init__(self, build, brokers, keep=False):
        self.build, self.brokers, self.keep = build, brokers, keep
        self.dir = tempfile.mkdtemp(prefix="headrace-crash.")
        self.made, self.lives = 0, []
        self.prefix = f"crash-{os.getpid()}-"  # of every topic

    def end_lives(self):
        for process in self.lives:
            if process.poll() is None:
                process.kill()
                process.wait()

    def close(self):
        if not self.keep:
            shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, name):
        self.made += 1
        return os.path.join(self.dir, f"{self.made}-{name}")

    def run(self, program, *arguments, check=True):
        return subprocess.run([os.path.join(self.build, program), *map(str, arguments)], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=check)

    def topic(self, name, events, users):
        """Fills a topic and counts what went in."""
        file, topic = self.path(f"{name}.tsv"), self.prefix + name
        self.run("headrace", "simulate", "--events", events, "--users", users, "--items", max(50, users // 4), "--output", file)
        self.run("headrace", "produce", file, "--brokers", self.brokers, "--topic", topic, "--partitions", PARTITIONS,
                 "--columns", "time,user,item,kind,session,id")
        with open(file) as rows:
            count = collections.Counter(row.split("\t")[1] for row in rows)
        return Topic(topic, events, count)


Topic = collections.namedtuple("Topic", "name events users")


class Daemon:
    """One life of headraced over a state directory."""

    def __init__(self, bed, topic, state, shim=None, point=None, output=None, settings=None):
        chosen = {**SETTINGS, "kafka.brokers": bed.brokers, "events.topic": topic.name, "state.dir": state,
                  "output.items_topic": (output or topic.name) + "-items", "output.users_topic": (output or topic.name) + "-users",
                  **(settings or {})}
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
        if point:
            environment["HR_CRASH_POINT"] = point
        if shim is not None:
            environment.update({f"HR_SHIM_{key}": str(value) for key, value in shim.items()}, HR_SHIM_DIR=state,
                               LD_PRELOAD=os.path.join(bed.build, "tests/crash/shim.so"))
        arguments = [word for key, value in chosen.items() for word in ("--set", f"{key}={value}")]
        self.topic, self.log_path, self.seen = topic, bed.path("log"), 0
        self.barrier = self.records = 0     # newest that was acknowledged in this life
        self.found = None                   # the barrier it went on from
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([os.path.join(bed.build, "headraced"), *arguments], env=environment,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        bed.lives = [process for process in bed.lives if process.poll() is None] + [self.process]

    def look(self):
        with open(self.log_path, "rb") as log:
            log.seek(self.seen)
            text = log.read()
        text = text[:text.rfind(b"\n") + 1]
        self.seen += len(text)
        for line in text.decode(errors="replace").splitlines():
            if 'msg="running"' in line:
                self.found = int(number_in(line, "barrier"))
            elif 'msg="barrier is durable"' not in line:
                continue
            self.barrier, self.records = (int(number_in(line, name)) for name in ("barrier", "records"))
        return self

    def ended(self):
        return self.process.poll() is not None

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def wait(self, condition, seconds=PATIENCE):
        """Until the condition holds (True), or the process has ended or made no barrier for so long (False)."""
        until, records = time.monotonic() + seconds, self.records
        while not condition(self.look()):
            if self.ended():
                return bool(condition(self.look()))
            if self.records != records:
                until, records = time.monotonic() + seconds, self.records
            if time.monotonic() > until:
                return False
            time.sleep(0.005)
        return True

    def wait_end(self, seconds=PATIENCE):
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        return self.look().process.poll()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        return self.wait_end()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.wait_end(60) is None:
            self.kill()
        return self.process.returncode

    def finish(self):
        """Reads the topic to its end and stops."""
        whole = self.wait(lambda d: d.records >= self.topic.events)
        return self.stop() == 0 and whole


def number_in(line, name):
    return re.search(rf"\b{name}=(\d+)", line).group(1)


Look = collections.namedtuple("Look", "barrier records digest balanced users recomputed")


def look_into(bed, state):
    """What headrace itself says of a state at rest; None when it refuses to open it."""
    said = bed.run("headrace", "state", "barrier", "--state", state, check=False)
    if said.returncode != 0:
        return None
    *rows, last = said.stdout.splitlines()
    records, balanced = 0, True
    for row in rows:
        count = {name: int(value) for name, value in re.findall(r"(\w+)=(-?\d+)", row)}
        parts = sum(count[name] for name in ("trained", "rejected", "duplicate", "late", "gap", "forgotten"))
        records += count["offset"] - count["begin"]
        balanced &= count["begin"] == 0 and parts == count["offset"]
        balanced &= parts == count["trained"]  # the file holds no bad, late or double event
    users = bed.run("headrace", "state", "users", "--state", state, check=False)
    recomputed = bed.run("headrace", "state", "digest", "--state", state, check=False)
    if users.returncode != 0 or recomputed.returncode != 0:
        return None
    count = {user: int(n) for user, n in (row.split("\t") for row in users.stdout.splitlines())}
    return Look(int(number_in(last, "barrier")), records, re.search(r"digest=(\w+)", last).group(1), balanced, count,
                recomputed.stdout.strip())


class Verdict:
    """lost and double are events; wrong: a state that opened without complaint and is not what it says."""

    def __init__(self, bed, topic, state, settings=None):
        self.lost = self.double = self.wrong = self.barriers = 0
        self.equal, self.said = None, ""
        look = look_into(bed, state)
        self.whole = look is not None
        if look is None:
            return
        self.lost = sum(max(0, n - look.users.get(user, 0)) for user, n in topic.users.items())
        self.double = sum(max(0, n - topic.users.get(user, 0)) for user, n in look.users.items())
        self.wrong = int(look.digest != look.recomputed or not look.balanced or look.records != topic.events)
        self.replay(bed, topic, state, look, settings)

    def replay(self, bed, topic, state, look, settings):
        """Is every barrier's digest that of one uninterrupted run that takes the records in the recorded order?"""
        twin = bed.path("twin")
        chosen = {**SETTINGS, "kafka.brokers": bed.brokers, "events.topic": topic.name, "log.level": "error", **(settings or {})}
        done = bed.run("headraced", "replay", "--state", twin, "--order-log", state,
                       *[word for key, value in chosen.items() for word in ("--set", f"{key}={value}")], check=False)
        self.said = (done.stdout + done.stderr).strip()[-300:]
        shutil.rmtree(twin, ignore_errors=True)
        if done.returncode == 0:
            self.barriers = int(number_in(done.stdout, "equal"))
        self.equal = done.returncode == 0 and self.barriers == look.barrier and f"digest={look.digest}" in done.stdout


def files_of(state):
    return [path for path in (os.path.join(state, name) for name in sorted(os.listdir(state))) if os.path.isfile(path)]


def cut_power(state, synced, rng):
    """Takes from every file in state a random part of what no sync had covered. synced: the shim's record."""
    sure = {}
    if os.path.exists(synced):
        with open(synced) as lines:
            for line in lines:
                size, path = line.rstrip("\n").split(" ", 1)
                sure[path] = max(int(size), sure.get(path, 0))
    cut = 0
    for path in files_of(state):
        name, size = os.path.basename(path), os.path.getsize(path)
        # CURRENT is written and synced as a .dbtmp, then renamed; so are the OPTIONS
        least = size if name == "CURRENT" or name.startswith("OPTIONS") else min(sure.get(path, 0), size)
        if least < size:
            os.truncate(path, rng.randint(least, size))
            cut += 1
    return cut


def flip_bit(state, rng):
    """One bit of any file that the store reads back. Returns the file's name."""
    unread = ("LOG", "OPTIONS", "LOCK")
    path = rng.choice([path for path in files_of(state)
                       if not os.path.basename(path).startswith(unread) and os.path.getsize(path) > 0])
    with open(path, "r+b") as file:
        at = rng.randrange(os.path.getsize(path))
        file.seek(at)
        byte = file.read(1)[0] ^ 1 << rng.randrange(8)
        file.seek(at)
        file.write(bytes([byte]))
    return os.path.basename(path)


class SmallDisk:
    """A file system that can be filled up. RocksDB reserves 70 MiB for each log, and there are two while one is recovered."""

    def __init__(self, path):
        self.path, self.filler = path, os.path.join(path, "filler")
        os.mkdir(path)
        self.mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=192m,mode=700", "tmpfs", path],
                                      stderr=subprocess.DEVNULL).returncode == 0

    def fill(self, leave):
        """Leaves about so many bytes free; the daemon writes meanwhile."""
        with open(self.filler, "ab") as file:
            for _ in range(100):
                disk = os.statvfs(self.path)
                free = disk.f_bavail * disk.f_frsize
                if free <= leave:
                    return
                try:
                    os.posix_fallocate(file.fileno(), os.path.getsize(self.filler), free - leave)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def empty(self):
        os.unlink(self.filler)

    def close(self):
        subprocess.run(["umount", "-l", self.path], check=True)


Record = collections.namedtuple("Record", "key version value")


def read_topic(bed, name):
    """Every record in order, with the barrier of its headrace-version header (None: none)."""
    raw = subprocess.run(["kcat", "-C", "-b", bed.brokers, "-t", name, "-o", "beginning", "-e", "-q", "-f", "%K %S %h\n%k%R%s"],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    records, at = [], 0
    while at < len(raw):
        end = raw.index(b"\n", at)
        key_len, value_len, headers = raw[at:end].decode().split(" ", 2)
        key_len, value_len, at = int(key_len), max(0, int(value_len)), end + 1
        key, (said,) = raw[at:at + key_len], struct.unpack(">i", raw[at + key_len:at + key_len + 4])
        assert max(0, said) == value_len, "kcat's output was not understood"
        at += key_len + 4
        version = re.search(r"headrace-version=\w+/(\d+)", headers)
        records.append(Record(key, int(version.group(1)) if version else None, raw[at:at + value_len]))
        at += value_len
    return records


def fields_of(message):
    """Top-level fields of a protobuf message by number; the clients' own library may not be there."""
    fields, at = {}, 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = varint()
        if tag & 7 == 0:
            fields[tag >> 3] = varint()
        else:
            length = varint() if tag & 7 == 2 else {1: 8, 5: 4}[tag & 7]
            fields[tag >> 3] = message[at:at + length]
            at += length
    return fields

"""What the tests of the stock clients share: steps, commands, terminals, waiting."""

import os
import pty
import re
import select
import signal
import subprocess
import time
import traceback

SCRATCH = "/scratch"


class Failure(Exception):
    """A step's expectation was not met."""


def expect(condition, what):
    if not condition:
        raise Failure(str(what))


def wait_until(condition, what, seconds=60):
    """The first true value of `condition()`; a Failure that names `what` after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"timed out waiting for {what}")
        time.sleep(0.05)


class Done:
    """A finished command."""

    def __init__(self, argv, code, out, err):
        self.argv, self.code, self.out, self.err = argv, code, out, err

    def __str__(self):
        return f"{' '.join(self.argv)}: exit {self.code}, stdout {self.out[-600:]!r}, stderr {self.err[-900:]!r}"

    def ok(self):
        expect(self.code == 0, self)
        return self


def run(*argv, stdin="", timeout=180, env=None, user=None):
    """Runs a command to its end."""
    argv = [str(word) for word in argv]
    environment = {**os.environ, **(env or {})}
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=environment, start_new_session=True, user=user, group=user,
                               extra_groups=[] if user else None, text=True, errors="replace")
    try:
        out, err = process.communicate(stdin, timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        # Not communicate: a grandchild that left the session may hold the pipes.
        process.wait()
        raise Failure(f"{' '.join(argv)}: no end after {timeout} s") from None
    return Done(argv, process.returncode, out, err)


class Terminal:
    """A command on a pseudo-terminal of its own."""

    def __init__(self, *argv, env=None, rows=24, columns=80):
        self.argv = [str(word) for word in argv]
        self.text = ""
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execvpe(self.argv[0], self.argv, {**os.environ, **(env or {})})
        self.resize(rows, columns)

    def resize(self, rows, columns):
        import fcntl
        import struct
        import termios

        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize_until(self, pattern, rows, columns):
        """Resizes until what the program prints says so: a client may begin to listen only after the program runs."""
        self.resize(rows, columns)
        deadline = time.monotonic() + 60
        while not re.search(pattern, self.text):
            expect(time.monotonic() < deadline, f"{' '.join(self.argv)}: no {pattern!r} in {self.text[-500:]!r}")
            os.kill(self.pid, signal.SIGWINCH)
            self._read(1)
        self.expect(pattern)

    def send(self, text):
        os.write(self.master, text.encode())

    def expect(self, pattern, seconds=60):
        """Waits for the pattern in what was printed since the last match; returns the match."""
        deadline = time.monotonic() + seconds
        while True:
            match = re.search(pattern, self.text)
            if match:
                self.text = self.text[match.end():]
                return match
            left = deadline - time.monotonic()
            expect(left > 0 and self._read(left), f"{' '.join(self.argv)}: no {pattern!r} in {self.text[-500:]!r}")

    def play_job_control(self):
        """In a shell: a job is stopped, continued and interrupted. It says each time that it runs: as long as the shell has
        not given it the terminal, the keys are the shell's."""
        self.expect("# ")
        self.send("sh -c 'trap \"echo on\" CONT; echo up; while :; do sleep 0.1; done'\n")
        self.expect(r"\nup\r+\n")
        self.send("\x1a")
        self.expect("Stopped")
        self.expect("# ")
        self.send("fg\n")
        self.expect(r"\non\r+\n")
        self.send("\x03")
        self.expect("# ")

    def _read(self, seconds):
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:  # EIO: the other side is gone
            return False
        self.text += data.decode(errors="replace")
        return bool(data)

    def status(self, seconds=60):
        """The command's exit status, as a shell shows it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
        raise Failure(f"{' '.join(self.argv)}: no end after {seconds} s, output {self.text[-500:]!r}")

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Daemon:
    """A daemon the test starts, stops and kills; its output goes to a log in the scratch directory."""

    def __init__(self, name, *argv, env=None):
        self.name, self.argv, self.env = name, [str(word) for word in argv], env
        self.log = f"{SCRATCH}/{name}.log"
        self.process = None

    def start(self, ready, seconds=90):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, **(self.env or {})}, start_new_session=True)

        def up():
            expect(self.process.poll() is None, f"{self.name} ended: {self.tail()}")
            return ready()

        wait_until(up, f"{self.name} to answer", seconds)

    def tail(self, size=1500):
        with open(self.log, errors="replace") as log:
            return log.read()[-size:]

    def stop(self, number=signal.SIGTERM, seconds=60):
        if self.process is None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


def processes(*words):
    """Living processes whose command line has all the words, by pid."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline") as file:
                line = file.read().replace("\0", " ")
        except OSError:
            continue
        if line and all(word in line for word in words):
            found[int(pid)] = line
    return found


def cgroups(name):
    """Directories of cgroups whose path has the name, and the processes in them."""
    groups, pids = [], set()
    for path, _, _ in os.walk("/sys/fs/cgroup"):
        if name in path:
            groups.append(path)
            try:
                with open(f"{path}/cgroup.procs") as file:
                    pids |= {int(line) for line in file}
            except OSError:
                pass  # it is going
    return groups, pids


def kill_one(choice, pids):
    """SIGKILL to one of them, if any still lives."""
    for pid in choice.sample(sorted(pids), len(pids)):
        try:
            return os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def expect_gone(name, supervisor):
    """No process of the container is left. A `supervisor` that its killed client left behind, as it does with runc, is ended
    and not held against the runtime; nor are the client's mount of the root and empty cgroups."""
    for pid in processes(supervisor, name):
        os.kill(pid, signal.SIGKILL)

    def left():
        return [*processes(name).values(), *cgroups(name)[1]]

    try:
        wait_until(lambda: not left(), "", 30)
    except Failure:
        raise Failure(f"left behind: {left()}") from None


def step(title):
    """Marks a method of a client's class as one of its steps."""

    def mark(method):
        method.step = title
        return method

    return mark


class Client:
    """A stock client that drives `runtime` (a path): set-up, steps in the order they are written, tear-down."""

    name = ""

    def __init__(self, runtime):
        self.runtime = runtime
        self.runtime_name = os.path.basename(runtime)
        self.count = 0

    def start(self):
        """Makes the client ready for its steps."""

    def stop(self):
        """Ends what `start` began."""

    def clean(self):
        """Removes what a failed step may have left; called after every step."""

    def id(self):
        self.count += 1
        return f"{self.runtime_name}-{self.count}"

    @classmethod
    def steps(cls):
        return [member for member in vars(cls).values() if hasattr(member, "step")]

    def play(self, chosen, report):
        """Runs the steps `chosen` takes; `report(title, seconds, error)` has an empty error for success."""
        steps = [method for method in self.steps() if chosen(method.step)]
        if not steps:
            return
        try:
            self.start()
        except Exception as error:  # a client that does not start fails each of its steps
            for method in steps:
                report(method.step, 0, f"the client does not start: {error}")
            self.stop()
            return
        for method in steps:
            begin = time.monotonic()
            report(method.step, *self._play(method, begin))
        self.stop()

    def _play(self, method, begin):
        error = ""
        try:
            method(self)
        except Failure as failure:
            error = str(failure)
        except Exception:
            error = traceback.format_exc(limit=-3)
        seconds = time.monotonic() - begin
        try:
            self.clean()
        except Exception as failure:
            error = error or f"cleaning up: {failure}"
        return seconds, error

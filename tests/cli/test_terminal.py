"""Terminals: the console socket of create and exec, run in a terminal, job control."""

import fcntl
import os
import pty
import select
import socket
import struct
import subprocess
import termios
import time

from harness import Failure, expect, expect_failure, expect_success, wait_until


class Screen:
    """The far end of a terminal, and what came out of it."""

    def __init__(self, fd):
        self.fd, self.text = fd, ""

    def read(self, seconds=0.05):
        """What comes within that time; False at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 4096)
        except OSError:
            return False
        self.text += data.decode()
        return bool(data)

    def expect(self, text, seconds=60):
        deadline = time.monotonic() + seconds
        while text not in self.text:
            if not self.read() and text not in self.text:
                raise Failure(f"end of the terminal before {text!r}: {self.text!r}")
            if time.monotonic() > deadline:
                raise Failure(f"no {text!r} in {self.text!r}")
        self.text = self.text.split(text, 1)[1]

    def type(self, text):
        os.write(self.fd, text.encode())

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class ConsoleSocket:
    def __init__(self, w, name="console.sock"):
        self.path = os.path.join(w.dir, name)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()

    def screen(self):
        connection, _ = self.listener.accept()
        data, fds, _, _ = socket.recv_fds(connection, 4096, 4)
        expect(len(fds) == 1 and data.startswith(b"/dev/pts/"), (data, fds))
        return Screen(fds[0])


def spec_with_terminal(w, *args, **process):
    spec = w.spec(*args, terminal=True, **process)
    spec["mounts"] += [{"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
                       {"destination": "/dev/pts", "type": "devpts", "source": "devpts"}]
    return spec


def create(w, *args, **process):
    console = ConsoleSocket(w)
    bundle = w.bundle(spec_with_terminal(w, *args, **process))
    expect_success(w.run("create", "--bundle", bundle, "--console-socket", console.path, w.id()), "")
    screen = console.screen()
    expect_success(w.run("start", "c1"))
    return screen


def test_create_with_a_console_socket(w):
    screen = create(w, "/bin/sh", "-c", "tty; test -t 0 -a -t 1 -a -t 2 && echo all; read x; echo got $x; exit 3")
    screen.expect("/dev/pts/0\r\n")
    screen.expect("all\r\n")
    screen.type("word\n")
    screen.expect("word\r\ngot word\r\n")
    wait_until(lambda: not screen.read(), "the end of the terminal")
    wait_until(lambda: w.state("c1")["status"] == "stopped", "the end")


def test_dev_console_and_dev_tty(w):
    screen = create(w, "/bin/sh", "-c", "echo one > /dev/console; echo two > /dev/tty; sleep 60")
    screen.expect("one\r\n")
    screen.expect("two\r\n")


def test_console_size_and_resize(w):
    script = "stty size; trap 'stty size; exit 0' WINCH; echo up; while :; do sleep 0.02; done"
    screen = create(w, "/bin/sh", "-c", script, consoleSize={"height": 30, "width": 91})
    screen.expect("30 91\r\nup")
    screen.resize(41, 132)
    screen.expect("41 132")


def test_interrupt_and_job_control(w):
    screen = create(w, "/bin/sh", "-i", env=["PATH=/bin", "PS1=$((40+2))> "])
    screen.expect("42> ")
    screen.type("sleep 60\n")
    wait_until(lambda: "sleep" in w.run("ps", "c1").stdout, "the program")
    screen.type("\x03")
    screen.expect("42> ")
    wait_until(lambda: "sleep" not in w.run("ps", "c1").stdout, "its end")
    screen.type("sleep 61\n")
    wait_until(lambda: "sleep" in w.run("ps", "c1").stdout, "the second program")
    screen.type("\x1a")
    screen.expect("Stopped")
    screen.type("jobs; bg; kill %1; wait; echo do''ne\n")
    screen.expect("done")
    screen.type("exit 5\n")
    wait_until(lambda: w.state("c1")["status"] == "stopped", "the end")


def test_hang_up_ends_the_shell(w):
    screen = create(w, "/bin/sh", "-c", "trap 'exit 0' HUP; echo up; while :; do sleep 0.02; done")
    screen.expect("up")
    os.close(screen.fd)
    wait_until(lambda: w.state("c1")["status"] == "stopped", "the end after the hang-up")


def test_all_output_arrives(w):
    screen = create(w, "/bin/sh", "-c", "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done")
    wait_until(lambda: not screen.read(), "the end of the terminal")
    expect(screen.text == "".join(f"line {i}\r\n" for i in range(3000)), screen.text[-200:])


def test_exec_with_a_console_socket(w):
    expect_success(w.run("create", "--bundle", w.bundle(w.spec("/bin/sleep", "60")), w.id()))
    expect_success(w.run("start", "c1"))
    for n in range(2):
        console = ConsoleSocket(w, f"exec{n}.sock")
        expect_success(w.run("exec", "--tty", "--detach", "--console-socket", console.path, "c1", "sh", "-c",
                             "echo hello; read x; echo got $x"), "")
        screen = console.screen()
        screen.expect("hello\r\n")
        screen.type("y\n")
        screen.expect("got y\r\n")
        wait_until(lambda: not screen.read(), "the end of the terminal")


def in_terminal(w, *args):
    """Runs the runtime in a terminal of its own."""
    master, slave = pty.openpty()
    screen = Screen(master)
    screen.resize(33, 77)
    before = termios.tcgetattr(slave)
    run = subprocess.Popen(w.command(*args), stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                           preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    return run, screen, lambda: termios.tcgetattr(slave) == before


def test_run_in_a_terminal(w):
    bundle = w.bundle(spec_with_terminal(w, "/bin/sh", "-c", "stty size; trap 'stty size; read x; echo got $x; exit 6' WINCH;"
                                         "echo up; while :; do sleep 0.02; done"))
    run, screen, restored = in_terminal(w, "run", "--bundle", bundle, w.id())
    screen.expect("33 77\r\nup")
    screen.resize(20, 50)
    screen.expect("20 50")
    screen.type("z\n")
    screen.expect("got z")
    expect(run.wait(60) == 6, run.returncode)
    expect(restored(), "the terminal is as it was")


def test_exec_in_a_terminal(w):
    expect_success(w.run("create", "--bundle", w.bundle(w.spec("/bin/sleep", "60")), w.id()))
    expect_success(w.run("start", "c1"))
    run, screen, restored = in_terminal(w, "exec", "-t", "c1", "sh", "-c", "stty size; read x; echo got $x; exit 4")
    screen.expect("33 77")
    screen.type("z\n")
    screen.expect("got z")
    expect(run.wait(60) == 4 and restored(), run.returncode)


def test_rules_about_console_sockets(w):
    plain, terminal = w.bundle(w.spec("/bin/true")), w.bundle(spec_with_terminal(w, "/bin/true"), name="terminal")
    expect_failure(w.run("create", "--bundle", plain, "--console-socket", "/x", w.id()), "cannot use console socket")
    expect_failure(w.run("create", "--bundle", terminal, w.id()), "cannot allocate tty")
    expect_failure(w.run("create", "--bundle", terminal, "--console-socket", "/nosuch", w.id()), "/nosuch")
    expect_failure(w.run("run", "--bundle", terminal, w.id()), "terminal")
    expect(os.listdir(w.root) == [], os.listdir(w.root))


def test_do_is_ended_by_the_keyboard(w):
    run, screen, restored = in_terminal(w, "do", "--root", w.rootfs, "--", "sh", "-c", "echo up; exec sleep 600")
    screen.expect("up")
    screen.type("\x03")
    expect(run.wait(60) == 130 and restored(), run.returncode)

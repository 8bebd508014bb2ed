#!/bin/sh
# `arenite run` stands between its caller and CMD: signals pass, and what was ignored stays so.
set -eu
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "no python3"

# A signal sent to the tool alone arrives in CMD, whose own handler decides how it ends.
cat >"$work/forward.py" <<'END'
import os, signal, subprocess, sys, tempfile, time
tool = sys.argv[1]
script = "trap 'echo got {0}; exit 42' {0}; echo ready; while :; do sleep 0.02; done"
for name in ("INT", "TERM", "HUP", "QUIT"):
    child = subprocess.Popen([tool, "run", "--", "sh", "-c", script.format(name)],
                             stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, start_new_session=True, text=True)
    assert child.stdout.readline() == "ready\n", name
    child.send_signal(getattr(signal, "SIG" + name))
    assert child.stdout.readline() == "got %s\n" % name, name
    assert child.wait() == 42, name

# Without a handler CMD dies of it, and the tool says so by its exit status.
child = subprocess.Popen([tool, "run", "--", "sh", "-c", "echo ready; exec sleep 1000"],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
assert child.stdout.readline() == "ready\n"
child.terminate()
assert child.wait() == 128 + signal.SIGTERM

# Started with SIGHUP and SIGCHLD ignored: CMD still ignores SIGHUP, and the tool still waits.
def ignore():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
result = subprocess.run([tool, "run", "--", "sh", "-c", "kill -HUP $$; exit 43"],
                        stderr=subprocess.DEVNULL, preexec_fn=ignore)
assert result.returncode == 43, result

# A hang-up under nohup does not end a comparison; an interrupt does, and leaves nothing behind.
with tempfile.TemporaryDirectory() as directory:
    go = os.path.join(directory, "go")
    def compare(signals_ignored, name):
        def ignore():
            for number in signals_ignored:
                signal.signal(number, signal.SIG_IGN)
        started = os.path.join(directory, "started")
        child = subprocess.Popen([tool, "compare", "-n", "1", "--", "sh", "-c",
                                  "echo >>%s; while [ ! -e %s ]; do sleep 0.02; done" %
                                  (started, go)], preexec_fn=ignore,
                                 env=dict(os.environ, TMPDIR=directory),
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not os.path.exists(started):
            time.sleep(0.01)
        child.send_signal(name)
        if signals_ignored:
            open(go, "w").close()
        status = child.wait()
        if signals_ignored:
            os.remove(go)
        os.remove(started)
        return status, os.listdir(directory)
    assert compare([signal.SIGHUP], signal.SIGHUP) == (0, [])
    assert compare([], signal.SIGINT) == (128 + signal.SIGINT, [])

# Ctrl-C on a terminal reaches tool and CMD once each.
import pty
pid, terminal = pty.fork()
if pid == 0:
    os.execv(tool, [tool, "run", "--", "python3", "-c", """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
print("ready", flush=True)
# Polling takes the first away before a second could melt into it.
while signal.sigtimedwait([signal.SIGINT], 0) is None:
    pass
second = signal.sigtimedwait([signal.SIGINT], 0.5)
print("hits", 1 if second is None else 2, flush=True)
"""])
seen = b""
def read_until(text):
    global seen
    while text not in seen:
        seen += os.read(terminal, 1000)
read_until(b"ready")
os.write(terminal, b"\x03")
read_until(b"hits ")
read_until(b"hits 1")
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
END
python3 "$work/forward.py" "$arenite" || fail "see above"

#!/bin/sh
# `arenite run` stands between its caller and CMD: signals pass, and what was ignored stays so.
set -eu
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "no python3"

# A signal sent to the tool alone arrives in CMD, whose own handler decides how it ends.
cat >"$work/forward.py" <<'END'
import os, signal, subprocess, sys
tool = sys.argv[1]
script = "trap 'echo got {0}; exit 42' {0}; echo ready; while :; do read x || exit 1; done"
for name in ("INT", "TERM", "HUP", "QUIT"):
    child = subprocess.Popen([tool, "run", "--", "sh", "-c", script.format(name)],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, start_new_session=True, text=True)
    assert child.stdout.readline() == "ready\n", name
    child.send_signal(getattr(signal, "SIG" + name))
    child.stdin.write("\n" * 3)
    child.stdin.flush()
    assert child.stdout.readline() == "got %s\n" % name, name
    assert child.wait() == 42, name

# Without a handler CMD dies of it, and the tool says so by its exit status.
child = subprocess.Popen([tool, "run", "--", "sh", "-c", "echo ready; exec sleep 60"],
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

# Ctrl-C on a terminal reaches tool and CMD once each.
import pty, time
pid, terminal = pty.fork()
if pid == 0:
    os.execv(tool, [tool, "run", "--", "python3", "-c", """
import signal, time
hits = 0
def on_interrupt(*_):
    global hits
    hits += 1
signal.signal(signal.SIGINT, on_interrupt)
print("ready", flush=True)
while hits == 0:
    time.sleep(0.01)
time.sleep(0.3)
print("hits", hits, flush=True)
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

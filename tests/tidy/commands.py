"""The compile commands of a build tree, for checks that hand sources to a tool."""
import concurrent.futures
import json
import os
import shlex
import subprocess

JOBS = 2
FLAGS_OF_OUTPUT = {"-o", "-MT", "-MF"}


def read_commands(root, build, folder):
    """[(source, flags as a tuple)] of the sources in a folder of root, without compiler, input and
    output; each once."""
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    inside = os.path.join(os.path.abspath(root), folder, "")
    return sorted({(entry["file"], tuple(flags_of(shlex.split(entry["command"]), entry["file"])))
                   for entry in entries if entry["file"].startswith(inside)})


def flags_of(words, source):
    flags = []
    skip = True  # the compiler itself
    for word in words:
        if skip:
            skip = False
        elif word in FLAGS_OF_OUTPUT:
            skip = True
        elif word not in ("-c", "-MD", source):
            flags.append(word)
    return flags


def run(command, text=None):
    """(exit status, output) of a command."""
    done = subprocess.run(command, input=text, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout


def run_all(commands):
    """The (exit status, output) of each command, some side by side."""
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        return list(pool.map(run, commands))


def finish(complaints, checked, what):
    """Prints the complaints and a closing line; the value to exit with."""
    for complaint in complaints:
        print(complaint)
    print(f"{checked} {what}, {len(complaints)} complaints")
    return 1 if complaints or not checked else 0

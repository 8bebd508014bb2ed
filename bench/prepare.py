"""Makes, once, what the real programs of the bench work on: a text and a repository of git's.
The same bytes on every machine."""
import os
import random
import subprocess

TEXT_BYTES = 6 << 20
COMMITS = 150
FILES = 60


def some_words(chance):
    letters = "etaoinshrdlucmfw"
    return ["".join(chance.choices(letters, k=chance.randrange(2, 11))) for _ in range(4000)]


def make_text(path):
    chance = random.Random(1)
    words = some_words(chance)
    with open(path, "w", encoding="ascii") as file:
        while file.tell() < TEXT_BYTES:
            line = chance.choices(words, k=12)
            file.write(" ".join(line) + f" {chance.randrange(10**9)}\n")


def git(folder, *arguments, **more):
    subprocess.run(["git", "-C", folder, *arguments], check=True, stdout=subprocess.DEVNULL, **more)


def change(stream, chance, texts, words, number):
    """One commit, as git fast-import reads it."""
    message = f"Change {number}"
    stream.append("commit refs/heads/main\n"
                  f"committer a <a@example.org> {1600000000 + number} +0000\n"
                  f"data {len(message)}\n{message}\n")
    for name in chance.sample(range(FILES), 6):
        lines = texts.setdefault(name, [" ".join(chance.choices(words, k=9)) for _ in range(400)])
        for _ in range(20):
            lines[chance.randrange(len(lines))] = " ".join(chance.choices(words, k=9))
        text = "\n".join(lines) + "\n"
        stream.append(f"M 100644 inline file{name}\ndata {len(text)}\n{text}\n")


def make_repository(path):
    chance = random.Random(2)
    words, texts, stream = some_words(chance), {}, []
    for number in range(COMMITS):
        change(stream, chance, texts, words, number)
    subprocess.run(["git", "init", "-q", "-b", "main", path], check=True)
    git(path, "fast-import", "--quiet", input="".join(stream).encode())


def prepare(folder):
    """Fills a folder with `text` and `repository`, as far as they are not there."""
    os.makedirs(folder, exist_ok=True)
    for name, make in (("text", make_text), ("repository", make_repository)):
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            make(path + ".new")
            os.rename(path + ".new", path)

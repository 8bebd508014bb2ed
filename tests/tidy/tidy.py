"""What the checks of this folder share: the source tree as texts, and rules that test themselves.

A rule is a function that takes a Tree and yields complaints ("path:line: what is wrong"). It is
declared with samples: small trees it must complain about, and one it must let pass. A rule whose
samples come out wrong fails the check before the project is looked at, because a rule that cannot
fail protects nothing."""
import os
import re
import sys

SKIPPED_NAMES = {".git", "build", ".cache", "__pycache__"}


class Tree:
    """Paths relative to the project's root, with their texts."""

    def __init__(self, texts):
        self.texts = texts

    @classmethod
    def read(cls, root):
        texts = {}
        for folder, subfolders, files in os.walk(root):
            subfolders[:] = sorted(name for name in subfolders if name not in SKIPPED_NAMES)
            for name in sorted(set(files) - SKIPPED_NAMES):
                path = os.path.join(folder, name)
                try:
                    with open(path, encoding="utf-8") as file:
                        texts[os.path.relpath(path, root)] = file.read()
                except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
                    continue
        return cls(texts)

    def paths(self, *suffixes, under=""):
        return [path for path in self.texts
                if path.startswith(under) and (not suffixes or path.endswith(suffixes))]

    def lines(self, path):
        """(number, line) pairs."""
        return enumerate(self.texts[path].splitlines(), 1)

    def code_lines(self, path):
        """(number, line) pairs with comments and the insides of literals blanked."""
        return enumerate(without_comments(self.texts[path]).splitlines(), 1)


TOKENS = re.compile(r"""/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'""",
                    re.DOTALL | re.VERBOSE)


def without_comments(text):
    """C text of the same shape, without comments and without what string literals say.
    Quotes in #include lines stay."""
    def blank(match):
        token = match.group()
        if token.startswith('"'):
            line_start = text.rfind("\n", 0, match.start()) + 1
            if text[line_start:match.start()].lstrip().startswith("#"):
                return token
            return '"' + " " * (len(token) - 2) + '"'
        if token.startswith("'"):
            return "'" + " " * (len(token) - 2) + "'"
        return re.sub(r"[^\n]", " ", token)
    return TOKENS.sub(blank, text)


INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')


def includes(tree, path):
    """(number, name, quoted) of each #include of a file."""
    for number, line in tree.code_lines(path):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(2), match.group(1) == '"'


def layer_of(path):
    """The layer a source file belongs to: the folder under src/, or None."""
    parts = path.split("/")
    return parts[1] if parts[0] == "src" and len(parts) == 3 else None


def functions(tree, path):
    """(name, first line, last line) of each function definition. Relies on the house format: a
    definition starts in the first column, its head ends in `) {`, its body in a `}` in the first
    column."""
    head, first, inside = "", 0, None
    for number, line in tree.code_lines(path):
        if inside:
            if line.startswith("}"):
                yield inside, first, number
                inside = None
            continue
        if not head:
            if not re.match(r"[A-Za-z_]", line):
                continue
            first = number
        head += " " + line.strip()
        if head.endswith(("{", ";", "}", ":")):
            plain = re.sub(r"__attribute__\s*\(\(.*?\)\)+", "", head)
            match = re.search(r"(\w+)\s*\([^{]*\)\s*{$", plain)
            inside = match.group(1) if match else None
            head = ""


RULES = []


def rule(bad, good):
    """Declares a rule with its samples: bad is a list of {path: text}, good one such tree."""
    def declare(function):
        RULES.append((function, bad, good))
        return function
    return declare


def self_test():
    """Complaints about rules whose samples come out wrong."""
    for function, bad, good in RULES:
        if not function.__doc__:
            yield f"{function.__name__}: says in no docstring what it checks"
        for index, texts in enumerate(bad):
            if not list(function(Tree(texts))):
                yield f"{function.__name__}: bad sample {index} passes"
        for complaint in function(Tree(good)):
            yield f"{function.__name__}: good sample fails: {complaint}"


def main():
    """Runs every declared rule over the tree named in argv[1]; the exit status says how it went."""
    complaints = list(self_test())
    tree = Tree.read(sys.argv[1])
    for function, _, _ in RULES:
        complaints += list(function(tree))
    for complaint in complaints:
        print(complaint)
    print(f"{len(RULES)} rules, {len(complaints)} complaints")
    sys.exit(1 if complaints else 0)

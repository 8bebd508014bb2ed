#!/usr/bin/env python3
"""About a second of a script's life: dictionaries, lists, strings, JSON, objects that die young
and objects that stay. Run it with PYTHONMALLOC=malloc, so that each object is one malloc.

    python3 bench/real/objects.py [ROUNDS]

Prints a digest of all it computed, which depends on nothing but ROUNDS."""
import hashlib
import json
import random
import sys


class Node:
    """A tree node: an instance with a dictionary of its own."""

    def __init__(self, key, left=None, right=None):
        self.key = key
        self.left = left
        self.right = right


def build_tree(depth, key=1):
    if depth == 0:
        return Node(key)
    return Node(key, build_tree(depth - 1, 2 * key), build_tree(depth - 1, 2 * key + 1))


def sum_tree(node):
    return 0 if node is None else node.key + sum_tree(node.left) + sum_tree(node.right)


def make_records(chance, count):
    return [
        {
            "id": index,
            "name": "".join(chance.choices("abcdefghij", k=chance.randrange(4, 40))),
            "tags": [str(chance.random()) for _ in range(chance.randrange(6))],
            "position": {"x": chance.random(), "y": chance.random()},
        }
        for index in range(count)
    ]


def count_words(records):
    words = {}
    for record in records:
        for start in range(0, len(record["name"]), 3):
            word = record["name"][start : start + 3]
            words.setdefault(word, []).append(record["id"])
    return words


def one_round(chance, kept):
    records = make_records(chance, 4000)
    text = json.dumps(records)
    again = json.loads(text)
    words = count_words(again)
    joined = "\n".join(sorted(words)).encode()
    kept.append(again[:: 1 + chance.randrange(8)])
    if len(kept) > 6:
        kept.pop(chance.randrange(len(kept)))
    return hashlib.sha256(text.encode() + joined + str(sum_tree(build_tree(12))).encode()).digest()


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    chance = random.Random(20)
    kept = []
    digest = hashlib.sha256()
    for _ in range(rounds):
        digest.update(one_round(chance, kept))
    print(digest.hexdigest())


main()

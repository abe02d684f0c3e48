#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""List the functions that a series changes or adds, a line each.

    touched.py TREE SERIES

TREE is a git tree whose root commit is the base and whose HEAD has the series.
SERIES says which files are new (see patches/6.1/series); all their functions are
listed. Of other files it is those in which lines were added or removed.
"""
import re
import subprocess
import sys

HUNK = re.compile(r'^@@ -\S+ \+(\d+)(?:,(\d+))? @@')
# In kernel style a definition begins in the first column, with its name before the
# first parenthesis.
FUNCTION = re.compile(r'^(?![\s#}]|typedef)[\w\s*]*?(\w+)\s*\((?!.*;\s*$)')
COMMENT = re.compile(r'/\*.*?\*/', re.S)


def git(tree, *args):
    return subprocess.run(['git', '-C', tree, *args], check=True, text=True,
                          stdout=subprocess.PIPE).stdout


def functions(text):
    """(line number, name) of every definition, counted from 1."""
    text = COMMENT.sub(lambda m: '\n' * m[0].count('\n'), text)
    for number, line in enumerate(text.split('\n'), 1):
        m = FUNCTION.match(line)
        if m:
            yield number, m[1]


def changed(tree, base, path):
    """The functions of a file with lines that differ from the base."""
    defs = list(functions(git(tree, 'show', f'HEAD:{path}')))
    for line in git(tree, 'diff', '-U0', base, 'HEAD', '--', path).split('\n'):
        m = HUNK.match(line)
        if not m:
            continue
        first, count = int(m[1]), int(m[2] or 1)
        before = [name for number, name in defs if number <= first]
        yield from before[-1:]
        yield from (name for number, name in defs if first < number < first + count)


def main():
    tree, series = sys.argv[1:]
    base = git(tree, 'rev-list', '--max-parents=0', 'HEAD').split()[0]
    paths = [p for p in git(tree, 'diff', '--name-only', base, 'HEAD').split()
             if p.endswith(('.c', '.h'))]
    with open(series, encoding='utf-8') as f:
        new = {p for line in f if not line.startswith('#') for p in line.split()[1:]}
    names = set()
    for path in paths:
        if path in new:
            text = git(tree, 'show', f'HEAD:{path}')
            names |= {name for _, name in functions(text)}
        else:
            names |= set(changed(tree, base, path))
    print('\n'.join(sorted(names)))


if __name__ == '__main__':
    main()

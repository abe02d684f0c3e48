#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Which lines of changed functions were executed.

    coverage.py unpack CONSOLE OBJECTS DIR
    coverage.py judge TREE ALL TESTS EXPLAINED JSON...

"unpack" takes what coverage/init.c wrote to a console and makes files of it in DIR,
each beside a link to the compiler's notes, which are in OBJECTS.

"judge" takes what gcov made of them (JSON...), and looks at the functions in TREE
that have lines added by the diff ALL and not by the diff TESTS. It prints how many
of their lines were executed, and which were not. EXPLAINED names those that cannot
be, see patches/6.1/uncovered. Exits 1 if a line is neither executed nor explained,
or both.
"""
import argparse
import collections
import json
import os
import re
import sys
import textwrap

# What stands for all of a function that was not compiled into anything that counts.
NOT_COMPILED = '(not compiled)'

Function = collections.namedtuple('Function', 'path name first last')


def unpack(console, objects, where):
    """Files from the lines of a console."""
    objects = os.path.realpath(objects)
    name, data, files, end = None, bytearray(), 0, None
    with open(console, encoding='utf-8', errors='replace') as f:
        for line in f:
            field = line.strip().split(',', 2)
            if field[0] != 'gcda':
                continue
            if field[1] == 'file':
                name, data = field[2], bytearray()
            elif field[1] == 'data':
                data += bytes.fromhex(field[2])
            elif field[1] == 'size':
                if len(data) != int(field[2]):
                    sys.exit(f'error: {console}: {name} is not whole')
                relative = os.path.relpath(name, objects)
                if relative.startswith('..'):
                    sys.exit(f'error: {console}: {name} is not from {objects}')
                path = os.path.join(where, relative)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, 'wb') as g:
                    g.write(data)
                note = relative.removesuffix('.gcda') + '.gcno'
                os.symlink(os.path.join(objects, note), os.path.join(where, note))
                files += 1
            elif field[1] == 'end':
                end = int(field[2])
    if not files or files != end:
        sys.exit(f'error: {console}: {files} files of {end}')


def added(diff):
    """The lines that a diff without context adds, by file, and their names."""
    lines, path = collections.defaultdict(set), None
    with open(diff, encoding='utf-8') as f:
        for line in f:
            if line.startswith('+++ '):
                path = line[4:].strip().removeprefix('b/')
            hunk = re.match(r'@@ -\S+ \+(\d+)(?:,(\d+))? @@', line)
            if hunk:
                first, count = int(hunk[1]), int(hunk[2] or 1)
                lines[path].update(range(first, first + count))
    return lines


def functions(path, source):
    """The functions of a file in the kernel's style: braces in the first column."""
    start = first = None
    for n, line in enumerate(source, 1):
        if start is None and re.match(r'\w', line):
            start = n
        if line.startswith('{') and start:
            first = start
        elif line.startswith('}') and first:
            name = re.search(r'(\w+)\(', ' '.join(source[first - 1:n]))
            yield Function(path, name[1], first, n)
            start = first = None
        elif not first and (not line.strip() or re.search(r'[;}]\s*$', line) or
                            line[0] in '#/}'):
            start = None


def executed(paths):
    """How often each line was, by file, over all runs and objects."""
    count = collections.defaultdict(collections.Counter)
    for path in paths:
        with open(path, encoding='utf-8') as f:
            for one in map(json.loads, f):
                for source in one['files']:
                    name = os.path.normpath(os.path.join(
                        one['current_working_directory'], source['file']))
                    for line in source['lines']:
                        count[name][line['line_number']] += line['count']
    return count


def explained(path):
    """The reason for each line that is listed, by function and text of the line."""
    known = collections.defaultdict(list)
    with open(path, encoding='utf-8') as f:
        text = re.sub(r'^#.*\n', '', f.read(), flags=re.M)
    for block in filter(str.strip, re.split(r'\n\s*\n', text)):
        name, *lines = block.strip('\n').split('\n')
        texts = [squeeze(line) for line in lines if line.startswith('\t')]
        reason = ' '.join(line for line in lines if not line.startswith('\t'))
        if not re.fullmatch(r'\w+', name) or not texts or not reason:
            sys.exit(f'error: {path}: "{name}" is not a function with lines of it '
                     'and a reason')
        for text in texts:
            known[name, text].append(reason)
    return known


def squeeze(text):
    return ' '.join(text.split())


def judge(args):
    """Print what was executed. True if all else is explained."""
    changed, tests = added(args.all), added(args.tests)
    count, known = executed(args.json), explained(args.explained)
    bad, uncovered, total = [], [], collections.Counter()
    print(f'\n{"function":40}{"lines executed":18}file')
    for path in sorted(changed):
        mine = changed[path] - tests.get(path, set())
        with open(os.path.join(args.tree, path), encoding='utf-8') as f:
            source = f.read().split('\n')
        lines = count[os.path.normpath(os.path.join(os.path.realpath(args.tree), path))]
        for func in functions(path, source):
            inside = range(func.first, func.last + 1)
            if mine.isdisjoint(inside):
                continue
            here = [n for n in inside if n in lines]
            missed = [(n, squeeze(source[n - 1])) for n in here if not lines[n]]
            if not here:
                missed = [(func.first, NOT_COMPILED)]
            hit = sum(lines[n] > 0 for n in here)
            total.update(executed=hit, all=len(here), functions=1)
            words = f'{hit} of {len(here)}' if here else NOT_COMPILED
            print(f'{func.name:40}{words:18}{path}')
            for n, text in missed:
                # A reason is for one line of that text.
                reasons = known.get((func.name, text))
                uncovered.append((f'{path}:{n}: {text}',
                                  reasons.pop(0) if reasons else 'NOT EXPLAINED'))
                if uncovered[-1][1] == 'NOT EXPLAINED':
                    bad.append(f'{path}:{n}: {func.name}: {text}')
    print('\nlines that were not:')
    for where, reason in uncovered:
        print(f'  {where}')
        print(textwrap.fill(reason, 84, initial_indent='      ',
                            subsequent_indent='      '))
    print(f'\n{total["executed"]} of {total["all"]} lines of {total["functions"]} '
          f'functions executed; {len(uncovered)} lines or functions not, '
          f'{len(bad)} of them not explained')
    if not total['executed']:
        bad.append('nothing was executed at all')
    stale = [f'{name}: {text}: explained, but executed or gone: remove it from '
             f'{args.explained}' for (name, text), left in known.items() if left]
    for line in bad:
        print(f'error: not executed and not explained: {line}', file=sys.stderr)
    for line in stale:
        print(f'error: {line}', file=sys.stderr)
    return not bad and not stale


def main():
    parser = argparse.ArgumentParser(description='Which lines were executed')
    command = parser.add_subparsers(dest='command', required=True)
    sub = command.add_parser('unpack', help='make files of what a console says')
    for name in 'console', 'objects', 'dir':
        sub.add_argument(name)
    sub = command.add_parser('judge', help='compare with what is explained')
    for name in 'tree', 'all', 'tests', 'explained':
        sub.add_argument(name)
    sub.add_argument('json', nargs='+')
    args = parser.parse_args()
    if args.command == 'unpack':
        unpack(args.console, args.objects, args.dir)
        return 0
    return 0 if judge(args) else 1


if __name__ == '__main__':
    sys.exit(main())

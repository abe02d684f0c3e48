#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Show what the suites saw on the kernel as it is and with the series.

    table.py [--tally FILE] EXPECT UNFIXED SERIES

EXPECT says which cases a base has (an INI file, see patches/6.1/expect).
UNFIXED and SERIES are results without suffix: kunit.py's JSON, which knows what
became of each case, and the console log, where a case that looks for stale
translations says why it failed ("stlb: SUITE.CASE: stale: what was seen").

Exits 0 if every expected case ran and did what it must: an upgrade is stale on
the kernel as it is, for that reason alone, and coherent with the series; all
other cases pass on both, without a word of trouble from the kernel, and with the
same calls if they show any ("stlb: SUITE.CASE: calls: how many, and which").
With --tally, "N passed M failed" goes to FILE.
"""
import argparse
import configparser
import json
import re
import sys

CALLS = re.compile(r'stlb: (\w+)\.(\w+): calls: (.*)')
VERDICT = re.compile(r'stlb: (\w+)\.(\w+): (stale|coherent|broken): (.*)')
PANIC = re.compile(r'Kernel panic - not syncing: .*|Unable to handle kernel .*')
SPLAT = re.compile(r'WARNING: .*|BUG: .*|Internal error: .*|INFO: .* blocked .*|'
                   r'.*possible .*(?:deadlock|locking|recursive).*')
SHORT = 'secondary_tlb_'
COLOUR = {'stale': '31', 'coherent': '32', 'pass': '32'}


class Run:
    """One boot: status and verdict by (suite, case)."""

    def __init__(self, path):
        self.log = path + '.log'
        self.status = {}
        with open(path + '.json', encoding='utf-8') as f:
            for suite in json.load(f)['sub_groups']:
                for case in suite['test_cases']:
                    self.status[suite['name'], case['name']] = case['status']
        with open(self.log, encoding='utf-8', errors='replace') as f:
            log = f.read()
        self.verdict = {(m[1], m[2]): m[3] for m in VERDICT.finditer(log)}
        self.calls = {}
        for m in CALLS.finditer(log):
            self.calls.setdefault((m[1], m[2]), []).append(m[3].strip())
        panic = PANIC.search(log)
        splat = panic or SPLAT.search(log)
        self.splat = splat and splat[0].strip()

    def saw(self, key, upgrade):
        """What a case saw, in the word that the table shows."""
        status = self.status.get(key, 'missing')
        if not upgrade:
            return {'PASS': 'pass', 'FAIL': 'FAILED'}.get(status, status)
        verdict = self.verdict.get(key, 'broken')
        if (status, verdict) in (('FAIL', 'stale'), ('PASS', 'coherent')):
            return verdict
        if status in ('PASS', 'FAIL'):
            return 'broken'
        return status


def expected(path):
    """(devices, upgrades by every device, upgrades and others by suite)."""
    ini = configparser.ConfigParser()
    with open(path, encoding='utf-8') as f:
        ini.read_file(f)
    devices = ini['scenarios']['devices'].split()
    scenarios = ini['scenarios']['upgrade'].split()
    suites = [s for s in ini.sections() if s != 'scenarios']
    upgrades = {s: ini[s].get('upgrade', '').split() for s in suites}
    others = {s: ini[s].get('hold', '').split() for s in suites}
    return devices, scenarios, upgrades, others


def paint(word, width):
    """A word in its colour, if somebody is looking."""
    text = word.ljust(width)
    if not sys.stdout.isatty():
        return text
    return f'\033[{COLOUR.get(word, "33")}m{text}\033[0m'


def main():
    parser = argparse.ArgumentParser(
        description='What the suites saw, kernel by kernel')
    parser.add_argument('--tally', help='write the counts to this file')
    parser.add_argument('expect', help='the cases that a base has')
    parser.add_argument('unfixed', help='results of the kernel as it is')
    parser.add_argument('series', help='results with the series')
    args = parser.parse_args()

    devices, scenarios, upgrades, others = expected(args.expect)
    runs = [Run(args.unfixed), Run(args.series)]
    wanted = ['stale', 'coherent']
    good, bad, listed = 0, [], set()

    def check(suite, case, upgrade):
        nonlocal good
        words = []
        listed.add((suite, case))
        for run, want in zip(runs, wanted):
            word = run.saw((suite, case), upgrade)
            if word == (want if upgrade else 'pass'):
                good += 1
            else:
                bad.append(f'{suite}.{case} is "{word}", not '
                           f'"{want if upgrade else "pass"}": {run.log}')
            words.append(word)
        calls = [run.calls.get((suite, case)) for run in runs]
        if not upgrade and calls[0] != calls[1]:
            bad.append(f'{suite}.{case}: other calls than on the kernel as it '
                       f'is: {calls[1]}, not {calls[0]}: {runs[1].log}')
        return words

    names = [d.removeprefix(SHORT) for d in devices]
    single = [(s, c, f'{c} ({s.removeprefix(SHORT)})')
              for s in upgrades for c in upgrades[s]]
    width = 2 + max(map(len, scenarios + [name for _, _, name in single]))
    half = 10 * len(devices)
    print(f'\n{"":{width}}{"as it is":{half}}with the series')
    print(f'{"upgrade":{width}}' + ''.join(f'{n:10}' for n in names * 2).rstrip())
    for case in scenarios:
        seen = [check(d, case, True) for d in devices]
        row = [words[k] for k in range(2) for words in seen]
        print(f'{case:{width}}' + ''.join(paint(w, 10) for w in row).rstrip())
    for suite, case, name in single:
        row = check(suite, case, True)
        print(f'{name:{width}}' + ''.join(paint(w, half) for w in row).rstrip())
    print('\nand what must hold on both:')
    for suite, cases in others.items():
        rows = [check(suite, case, False) for case in cases]
        passed = [sum(row[k] == 'pass' for row in rows) for k in range(2)]
        print(f'{suite.removeprefix(SHORT):{width}}' + ''.join(
            f'{n} of {len(cases)} pass'.ljust(half) for n in passed).rstrip())

    for run in runs:
        for key in sorted(set(run.status) - listed):
            bad.append(f'{key[0]}.{key[1]} ran and is not expected: '
                       f'add it to {args.expect}')
        if run.splat:
            bad.insert(0, f'{run.splat}: {run.log}')
    print()
    for line in bad[:12]:
        print(f'error: {line}', file=sys.stderr)
    if len(bad) > 12:
        print(f'error: and {len(bad) - 12} more', file=sys.stderr)
    for run, what in zip(runs, ('as it is:       ', 'with the series:')):
        status = list(run.status.values())
        print(f'{what} {len(status)} cases ran, {status.count("FAIL")} failed, '
              f'{status.count("PASS")} passed, {status.count("SKIP")} skipped '
              f'({run.log})')
    if args.tally:
        with open(args.tally, 'w', encoding='utf-8') as f:
            f.write(f'{good} passed {len(bad)} failed\n')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())

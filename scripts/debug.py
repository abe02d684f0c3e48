#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Judge the kernels that scripts/debug has run the suites on.

    debug.py [--tally FILE] EXPECT DEBUG RESULTS KERNEL...

EXPECT is the list of cases, DEBUG has KERNEL.config, and RESULTS what results.py
reads, for each KERNEL and for each mistake that was made on purpose, in
KERNEL.MISTAKE.log. RESULTS/touched names the functions that the series touches.

A kernel is clean if every case ran and passed, or was skipped for a reason that
KERNEL.config takes for a good one ("# skips: CASES: REASON"), and the kernel reported
nothing. KCSAN reports much of any kernel: with "# kcsan: ours" a report counts if it
names a function of ours. Exits 0 if all are clean, and every mistake was reported.
With --tally, "N passed M failed" goes to FILE.
"""
import argparse
import collections
import fnmatch
import glob
import os
import re
import sys

from results import PANIC, SPLAT, Expected, Run, conclude

SKIP = re.compile(r'^ +ok \d+ (\w+) # SKIP (.*)$', re.M)
SUBTEST = re.compile(r'^ +# Subtest: (\w+)$', re.M)
KCSAN = re.compile(r'BUG: KCSAN: [\w -]+ in (.*)')
# What a report of a deliberate bug begins with.
REPORT = {'warn': r'WARNING: .*\bwarn\b', 'lockdep': r'WARNING: possible circular locking',
          'sleep': r'BUG: sleeping function', 'kasan': r'BUG: KASAN: ',
          'ubsan': r'UBSAN: shift-out-of-bounds', 'kcsan': r'BUG: KCSAN: .*splat_race'}
SOAKS = [(f'stlb_soak_{device}', 'soak') for device in ('soft', 'smmuv3', 'edu')]


def read(path):
    """The text of a file; nothing if there is none."""
    if not os.path.exists(path):
        return ''
    with open(path, encoding='utf-8', errors='replace') as f:
        return f.read().replace('\r', '')


def config_of(path):
    """The lines "# KEY: VALUE" of a configuration, as lists by key."""
    config = collections.defaultdict(list)
    for m in re.finditer(r'^# (\w+): (.*)$', read(path), re.M):
        config[m[1]].append(m[2])
    return config


def splats(log, ours):
    """What the kernel says in a log; ours: functions that KCSAN may name, or None."""
    found = [m[0].strip() for r in (PANIC, SPLAT) for m in r.finditer(log)]
    if ours is None:
        return found
    return [s for s in found
            if not KCSAN.search(s) or
            ours & set(re.findall(r'\w+', KCSAN.search(s)[1]))]


def skips(log):
    """Why cases were skipped, by (suite, case)."""
    suite, reasons = None, {}
    for line in log.split('\n'):
        m = SUBTEST.match(line)
        if m:
            suite = m[1]
        m = SKIP.match(line)
        if m:
            reasons[suite, m[1]] = m[2]
    return reasons


class Kernel:
    """What one kernel has shown; problems is empty if it is clean."""

    def __init__(self, results, name, config, expected, touched):
        self.problems, self.passed, self.skipped = [], 0, collections.Counter()
        path = f'{results}/{name}'
        ours = touched if 'ours' in config['kcsan'] else None
        run, reasons, self.reports = Run(path), {}, 0
        # In the order in which the results of one replace those of another.
        for log in [path] + sorted(p.removesuffix('.json') for p in
                                   glob.glob(glob.escape(path) + '-*.json')):
            text = read(log + '.log')
            reasons |= skips(text)
            for splat in splats(text, ours):
                self.reports += 1
                self.problems.append(f'{name}: {splat}: {log}.log')
        allowed = [why.split(': ', 1) for why in config['skips']]
        for key, mistake in (expected | dict.fromkeys(SOAKS, 'stale')).items():
            word = run.saw(key, mistake)
            reason = reasons.get(key)
            if word in ('pass', 'coherent'):
                self.passed += 1
            elif word == 'SKIP' and any(
                    fnmatch.fnmatch('.'.join(key), cases) and why == reason
                    for cases, why in allowed):
                self.skipped[reason] += 1
            else:
                self.problems.append(f'{name}: {".".join(key)} is "{word}"'
                                     f'{f" ({reason})" if reason else ""}: '
                                     f'{run.where.get(key, run.log)}')
        for _, why in allowed:
            if not self.skipped[why]:
                self.problems.append(f'{name}: nothing was skipped because of "{why}"')


def main():
    parser = argparse.ArgumentParser(description='Judge kernels under observation')
    parser.add_argument('--tally', help='write the counts to this file')
    parser.add_argument('expect')
    parser.add_argument('debug')
    parser.add_argument('results')
    parser.add_argument('kernel', nargs='+')
    args = parser.parse_args()

    expected = Expected(args.expect).cases()
    touched = set(read(f'{args.results}/touched').split())
    good, bad = 0, []
    print(f'\n{"kernel":12}{"passed":>8}{"skipped":>9}{"failed":>8}{"reports":>9}  sees')
    for name in args.kernel:
        config = config_of(f'{args.debug}/{name}.config')
        kernel = Kernel(args.results, name, config, expected, touched)
        sees = []
        for mistake in ' '.join(config['proves']).split():
            text = read(f'{args.results}/{name}.{mistake}.log')
            if any(re.match(REPORT[mistake], s) for s in splats(text, touched)):
                sees.append(mistake)
                good += 1
            else:
                kernel.problems.append(f'{name}: does not report "{mistake}": '
                                       f'{args.results}/{name}.{mistake}.log')
        good += kernel.passed
        bad += kernel.problems
        print(f'{name:12}{kernel.passed:8}{sum(kernel.skipped.values()):9}'
              f'{len(kernel.problems) - kernel.reports:8}{kernel.reports:9}  '
              f'{" ".join(sees)}'.rstrip())
        for reason, n in kernel.skipped.items():
            print(f'{"":12}{n} skipped: {reason}')
    return conclude(good, bad, args.tally)


if __name__ == '__main__':
    sys.exit(main())

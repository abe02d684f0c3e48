#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Judge what the suites saw of mutants, which are kernels with a fault.

    mutants.py [--series] EXPECT RESULTS PATCH...
    mutants.py --field FIELD PATCH
    mutants.py --known EXPECT PATCH...

EXPECT says which cases there are (see patches/6.1/expect). RESULTS is a directory
with results (see results.py) of the kernel without a fault, "series", and of each
mutant under the name of its patch; NAME.broken, if it is there, says why there
are no others. With --series, only the former is looked at. With --field, a line of
the header is printed, and with --known, headers are compared with EXPECT. What stands above the diff of a mutant:

    One sentence: what the mistake is.

    Killed-by: SUITE.CASE ...	must be red, each of them
    Also: GLOB ... !GLOB	may be red besides, but not what is behind a "!"
    Boot: hd, or bbml3		is run with the suite for such a CPU alone
    Effect: hang		the kernel does not return: each case that is to
				kill it has a kernel of its own
    Verdict: any		see below

A case is red if it fails for a reason of its own: the first thing that went wrong
in it is an expectation. A case that looks for a fault ends in one. What KUnit
calls an assertion is what a case needs to begin with, and no reason, nor is a case
that faults or that KUnit gives up; where the mutant makes a precondition fail, and
that is meant, its header says "Verdict: any". A mutant whose effect is a hang is
killed by the verdict "hang".

A mutant is
    killed	if all that is predicted is red, and nothing else
    SURVIVED	if a case that is to kill it is not red
    collateral	if a case is not green that has nothing to do with it
    crash	if the kernel got into trouble, or did not come to its end
    broken	if it does not apply, or does not build
and all but the first are failures.
"""
import argparse
import fnmatch
import os
import re
import sys

from results import Expected, Run

SUBTEST = re.compile(r'^ {4}# Subtest: (\w+)')
FAILED = re.compile(r'^ +# (\w+): (EXPECTATION|ASSERTION) FAILED')
FIELD = re.compile(r'^([A-Z][a-z-]+): (.*)$')
FIELDS = {'Killed-by', 'Also', 'Boot', 'Effect', 'Verdict'}


class Mutant:
    """A patch, as its header describes it."""

    def __init__(self, path):
        self.name = os.path.basename(path).removesuffix('.patch')
        self.fields = {}
        with open(path, encoding='utf-8') as f:
            for line in f:
                if line.startswith('diff '):
                    break
                m = FIELD.match(line)
                if m and m[1] in FIELDS:
                    self.fields.setdefault(m[1], []).extend(m[2].split())
        self.killers = self.fields.get('Killed-by', [])
        self.boot = '-'.join(['series'] + self.fields.get('Boot', []))
        self.hangs = self.fields.get('Effect') == ['hang']
        if not self.killers:
            sys.exit(f'error: {path} does not say what it is killed by')

    def related(self, case):
        """Whether a case may be red although nobody relies on it."""
        globs = self.fields.get('Also', [])
        return (any(fnmatch.fnmatchcase(case, g) for g in globs if g[0] != '!')
                and not any(fnmatch.fnmatchcase(case, g[1:]) for g in globs
                            if g[0] == '!'))


class Seen:
    """The results of a kernel by "SUITE.CASE": its status, and what failed first."""

    def __init__(self, path):
        self.run = Run(path, one_boot=True)
        # What a soak finds is up to chance.
        self.status = {f'{s}.{c}': v for (s, c), v in self.run.status.items()
                       if not s.startswith('stlb_soak_')}
        self.first = {}
        self.ended = False
        suite = None
        for log in {self.run.log, *self.run.where.values()}:
            with open(log, encoding='utf-8', errors='replace') as f:
                for line in f:
                    m = SUBTEST.match(line)
                    if m:
                        suite = m[1]
                    m = FAILED.match(line)
                    if m:
                        self.first.setdefault(f'{suite}.{m[1]}', m[2])
                    self.ended |= line.startswith('reboot: ')

    def red(self, case, anything=False):
        """Whether a case failed for a reason of its own."""
        return (self.status.get(case) == 'FAIL' and
                (anything or self.first.get(case) == 'EXPECTATION'))

    def trouble(self):
        """The first word of trouble by the kernel, or None."""
        if self.run.splats:
            return self.run.splats[0]
        return None if self.ended else f'it did not come to its end: {self.run.log}'


class Judge:
    """Compares what a mutant did with what it must have done."""

    def __init__(self, expect, results):
        expected = Expected(expect)
        self.cases = {'.'.join(c) for c in expected.cases()}
        # With those of which both kernels show the same, as that they are skipped.
        self.known = self.cases | {f'{s}.{c}' for s, c, _ in expected.same}
        self.results = results
        self.green = {}

    def path(self, name):
        return os.path.join(self.results, name)

    def load(self, boot):
        """What was seen in a boot, or why nothing was."""
        try:
            return Seen(self.path(boot)), None
        except (OSError, ValueError) as e:
            return None, f'no results: {e}'

    def base(self, boot):
        """What is wrong with the kernel without a fault, in lines."""
        seen, why = self.load(boot)
        if why:
            return [why]
        self.green[boot] = {c for c, s in seen.status.items() if s == 'PASS'}
        # A suite whose device is not there is skipped as a whole.
        suites = {c.split('.')[0] for c, s in seen.status.items() if s != 'SKIP'}
        bad = [f'{c} is {seen.status.get(c, "missing")}'
               for c in sorted(self.cases - self.green[boot])
               if c.split('.')[0] in suites]
        bad += [f'{c} ran and is not expected' for c in
                sorted(set(seen.status) - self.known)]
        if seen.trouble():
            bad.append(seen.trouble())
        if not self.green[boot]:
            bad.append('no case ran')
        return bad

    def judge(self, mutant):
        """The result of a mutant in a word, what killed it, and why not if not."""
        broken = self.path(mutant.name + '.broken')
        if os.path.exists(broken):
            with open(broken, encoding='utf-8') as f:
                return 'broken', [], f.read().strip()
        if mutant.hangs:
            return self.judge_hang(mutant)
        boot = mutant.boot
        seen, why = self.load(mutant.name)
        if why:
            return 'crash', [], why
        if seen.trouble():
            return 'crash', [], seen.trouble()
        anything = mutant.fields.get('Verdict') == ['any']
        red = [c for c in sorted(self.green[boot]) if seen.red(c, anything)]
        alive = [c for c in mutant.killers if c not in red]
        if alive:
            return 'SURVIVED', red, 'not red: ' + ' '.join(alive)
        odd = [c for c in sorted(self.green[boot] - set(mutant.killers))
               if seen.status.get(c) != 'PASS' and not mutant.related(c)]
        odd += sorted(set(seen.status) - self.known)
        if odd:
            return 'collateral', red, 'not green: ' + ' '.join(odd)
        return 'killed', red, None

    def judge_hang(self, mutant):
        """The same for one whose cases have a kernel each."""
        alive = []
        for case in mutant.killers:
            path = self.path(f'{mutant.name}-hang-{case}')
            try:
                run = Run(path, one_boot=True, case=tuple(case.split('.')))
            except (OSError, ValueError) as e:
                return 'crash', [], f'no results: {e}'
            if run.saw(tuple(case.split('.')), 'hang') != 'hang':
                alive.append(case)
        if alive:
            return 'SURVIVED', [], 'does not hang: ' + ' '.join(alive)
        return 'killed', mutant.killers, None


def table(judge, mutants):
    """Print what became of each. Returns how many were not killed."""
    width = 2 + max(len(m.name) for m in mutants)
    failed = survived = 0
    notes = []
    print(f'\n{"mutant":{width}}{"result":12}killed by')
    for mutant in mutants:
        word, red, why = judge.judge(mutant)
        first = next((c for c in mutant.killers if c in red), None)
        by = f'{first} ({len(red)} red)' if first else ''
        print(f'{mutant.name:{width}}{word:12}{by}'.rstrip())
        failed += word != 'killed'
        survived += word == 'SURVIVED'
        if why:
            notes.append(f'{mutant.name}: {word}: {why}')
    print()
    for note in notes:
        print(f'error: {note}', file=sys.stderr)
    print(f'{len(mutants) - failed} killed, {survived} survived')
    print(f'{len(mutants) - failed} passed, {failed} failed')
    return failed


def check_headers(expect, paths):
    """Find names in headers that are none. Returns how many."""
    cases = {'.'.join(c) for c in Expected(expect).cases()}
    bad = []
    for mutant in map(Mutant, paths):
        bad += [f'{mutant.name}: {c} is no case' for c in mutant.killers
                if c not in cases]
        bad += [f'{mutant.name}: no case is {g}'
                for g in mutant.fields.get('Also', [])
                if not any(fnmatch.fnmatchcase(c, g.removeprefix('!'))
                           for c in cases)]
    for line in bad:
        print(f'error: {line}', file=sys.stderr)
    return len(bad)


def main():
    parser = argparse.ArgumentParser(description='Judge mutants')
    parser.add_argument('--field', help='print this line of the header')
    parser.add_argument('--known', action='store_true',
                        help='see that all that kills is in EXPECT')
    parser.add_argument('--series', action='store_true',
                        help='look at the kernel without a fault, and no other')
    parser.add_argument('args', nargs='+')
    args = parser.parse_args()

    if args.field:
        print(' '.join(Mutant(args.args[0]).fields.get(args.field, [])))
        return 0
    if args.known:
        return check_headers(args.args[0], args.args[1:])
    judge = Judge(*args.args[:2])
    mutants = [Mutant(p) for p in args.args[2:]]
    boots = {m.boot for m in mutants if not m.hangs}
    bad = [f'without a fault: {line}' for b in sorted(boots)
           for line in judge.base(b)]
    for line in bad:
        print(f'error: {line}', file=sys.stderr)
    if bad or args.series:
        return 1 if bad else 0
    return 1 if table(judge, mutants) else 0


if __name__ == '__main__':
    sys.exit(main())

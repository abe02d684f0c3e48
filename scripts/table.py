#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Show what the suites saw on the kernel as it is and with the series.

    table.py [--tally FILE] EXPECT UNFIXED SERIES
    table.py --own-boot EXPECT

EXPECT says which cases a base has (an INI file, see patches/6.1/expect).
UNFIXED and SERIES are results without suffix: kunit.py's JSON, which knows what
became of each case, and the console log, where a case that looks for a mistake
of the kernel says whether it saw it ("stlb: SUITE.CASE: stale: what was seen").
Results of further boots are in NAME-SUITE, and of cases that may hang the kernel
in NAME-hang-SUITE.CASE; --own-boot lists these. What QEMU's SMMUv3 has traced
while a device did DMA is in NAME-SUITE.trace.

Exits 0 if every expected case ran and did what it must: a mistake is seen on the
kernel as it is, nothing else went wrong there, and it is not seen with the
series; all other cases pass on both, without a word of trouble from the kernel,
and with the same calls if they show any ("stlb: SUITE.CASE: calls: how many, and
which"). With --tally, "N passed M failed" goes to FILE.
"""
import argparse
import collections
import configparser
import glob
import json
import os
import re
import sys

CALLS = re.compile(r'stlb: (\w+)\.(\w+): calls: (.*)')
# Mistakes of a kernel that cases look for, by their key in EXPECT.
MISTAKES = {'upgrade': 'stale', 'hang': 'hang', 'freed': 'freed',
            'excess': 'excess'}
VERDICT = re.compile(r'stlb: (\w+)\.(\w+): (stale|hang|freed|excess|coherent|'
                     r'broken): (.*)')
PANIC = re.compile(r'Kernel panic - not syncing: .*|Unable to handle kernel .*')
SPLAT = re.compile(r'WARNING: .*|BUG: .*|Internal error: .*|INFO: .* blocked .*|'
                   r'.*possible .*(?:deadlock|locking|recursive).*|'
                   r'.*CMD_SYNC timeout.*|.*CMDQ timeout.*')
# QEMU's words: an event that was recorded, a command that was consumed.
TRACE = re.compile(r'^smmuv3_(?:record_event|cmdq_opcode <---) (\w+)', re.M)
REFUSED = 'SMMU_EVT_F_PERMISSION'
SHOWN = {'coherent': 'ok', 'pass': 'ok'}
COLOUR = {'coherent': '32', 'pass': '32'} | dict.fromkeys(MISTAKES.values(), '31')
CELL = 6


class Run:
    """One kernel: status and verdict by (suite, case), over all its boots."""

    def __init__(self, path):
        self.log = path + '.log'
        self.status, self.verdict, self.calls, self.where = {}, {}, {}, {}
        self.splats = []
        self.trace = collections.Counter()
        self.boot(path, None)
        for own in sorted(glob.glob(glob.escape(path) + '-*.json')):
            own = own.removesuffix('.json')
            case = own.rpartition('-hang-')
            self.boot(own, tuple(case[2].split('.')) if case[1] else None)

    def boot(self, path, alone):
        """Read the results of a boot, for the one case that it was made for."""
        with open(path + '.json', encoding='utf-8') as f:
            for suite in json.load(f)['sub_groups']:
                for case in suite['test_cases']:
                    key = suite['name'], case['name']
                    if alone in (None, key):
                        self.status[key] = case['status']
                        self.where[key] = path + '.log'
        with open(path + '.log', encoding='utf-8', errors='replace') as f:
            log = f.read()
        self.verdict |= {(m[1], m[2]): m[3] for m in VERDICT.finditer(log)}
        for m in CALLS.finditer(log):
            self.calls.setdefault((m[1], m[2]), []).append(m[3].strip())
        if os.path.exists(path + '.trace'):
            with open(path + '.trace', encoding='utf-8') as f:
                self.trace.update(m[1] for m in TRACE.finditer(f.read()))
        splat = PANIC.search(log) or SPLAT.search(log)
        if splat:
            self.splats.append(f'{splat[0].strip()}: {path}.log')
        # The machine did not come to its end: KUnit cannot have said why.
        if alone and not splat and 'reboot:' not in log:
            self.status[alone], self.verdict[alone] = 'FAIL', 'hang'
            self.where[alone] = path + '.log'

    def saw(self, key, mistake):
        """What a case saw, in a word; mistake is the one it looks for, or None."""
        status = self.status.get(key, 'missing')
        if not mistake:
            return {'PASS': 'pass', 'FAIL': 'FAILED'}.get(status, status)
        verdict = self.verdict.get(key, 'broken')
        if (status, verdict) in (('FAIL', mistake), ('PASS', 'coherent')):
            return verdict
        if status in ('PASS', 'FAIL'):
            return 'broken'
        return status


class Expected:
    """What a base must show: devices, scenarios, and cases of suites by key."""

    def __init__(self, path):
        ini = configparser.ConfigParser()
        with open(path, encoding='utf-8') as f:
            ini.read_file(f)
        self.devices = ini['scenarios']['devices'].split()
        self.scenarios = ini['scenarios']['upgrade'].split()
        suites = [s for s in ini.sections() if s != 'scenarios']
        for suite in suites:
            for key in set(ini[suite]) - {'hold'} - set(MISTAKES):
                sys.exit(f'error: {path}: "{key}" of {suite} is not a kind of '
                         f'case: use hold, {", ".join(MISTAKES)}')
        self.mistakes = [(s, c, MISTAKES[k]) for s in suites for k in MISTAKES
                         for c in ini[s].get(k, '').split()]
        self.others = {s: ini[s].get('hold', '').split() for s in suites}

    def own_boot(self):
        """The cases that may hang a kernel."""
        return [f'{s}.{c}' for s, c, mistake in self.mistakes
                if mistake == 'hang']


def short(suite):
    """A suite's name without what it has in common with others."""
    suite = suite.removeprefix('secondary_tlb_').removesuffix('_sva')
    return 'edu' if suite == 'smmuv3_edu' else suite


def paint(word, width=CELL):
    """A word in its colour, if somebody is looking."""
    text = SHOWN.get(word, word).ljust(width)
    if not sys.stdout.isatty():
        return text
    return f'\033[{COLOUR.get(word, "33")}m{text}\033[0m'


class Judge:
    """Compares what two kernels saw with what they must have seen."""

    def __init__(self, unfixed, series, expect):
        self.runs = [unfixed, series]
        self.expect = expect
        self.good, self.bad, self.listed = 0, [], set()

    def check(self, suite, case, mistake=None):
        """The words for a case, kernel by kernel."""
        words = []
        self.listed.add((suite, case))
        for run, want in zip(self.runs, [mistake, mistake and 'coherent']):
            word = run.saw((suite, case), mistake)
            if word == (want or 'pass'):
                self.good += 1
            else:
                self.bad.append(f'{suite}.{case} is "{word}", not '
                                f'"{want or "pass"}": '
                                f'{run.where.get((suite, case), run.log)}')
            words.append(word)
        calls = [run.calls.get((suite, case)) for run in self.runs]
        if not mistake and calls[0] != calls[1]:
            self.bad.append(f'{suite}.{case}: other calls than on the kernel as '
                            f'it is: {calls[1]}, not {calls[0]}: '
                            f'{self.runs[1].log}')
        return words

    def table(self, expected):
        """Print what was seen."""
        names = [short(d).removesuffix('v3') for d in expected.devices]
        width = 2 + max(map(len, expected.scenarios + [REFUSED] +
                            [c for _, c, _ in expected.mistakes]))
        half = CELL * len(names)
        print(f'\n{"":{width}}{"as it is":{half}}with the series')
        print(f'{"upgrade":{width}}' +
              ''.join(f'{n:{CELL}}' for n in names * 2).rstrip())
        for case in expected.scenarios:
            seen = [self.check(d, case, 'stale') for d in expected.devices]
            row = [words[k] for k in range(2) for words in seen]
            print(f'{case:{width}}' + ''.join(map(paint, row)).rstrip())
        heading = None
        for suite, case, mistake in expected.mistakes:
            if suite != heading:
                heading = suite
                print(f'\n{short(suite)}:')
            row = self.check(suite, case, mistake)
            print(f'{case:{width}}' + ''.join(paint(w, half) for w in row).rstrip())
        print('\nwhat must hold on both:')
        for suite, cases in expected.others.items():
            rows = [self.check(suite, case) for case in cases]
            passed = [sum(row[k] == 'pass' for row in rows) for k in range(2)]
            if cases:
                print(f'{short(suite):{width}}' + ''.join(
                    f'{n} of {len(cases)} pass'.ljust(half) for n in passed).rstrip())

        traces = [run.trace for run in self.runs]
        if not any(traces):
            return
        print("\nQEMU's SMMUv3, under the device that does DMA, says:")
        for word in sorted(set().union(*traces)):
            print(f'{word.removeprefix("SMMU_"):{width}}' +
                  ''.join(f'{trace[word]:<{half}}' for trace in traces).rstrip())
        if traces[0][REFUSED] <= traces[1][REFUSED]:
            self.bad.append(f'{REFUSED}: no less with the series than on the '
                            'kernel as it is')

    def verdict(self):
        """Print what is wrong, and how much there was. True if nothing is."""
        for run in self.runs:
            for key in sorted(set(run.status) - self.listed):
                self.bad.append(f'{key[0]}.{key[1]} ran and is not expected: '
                                f'add it to {self.expect}')
            self.bad[:0] = run.splats
        print()
        for line in self.bad[:12]:
            print(f'error: {line}', file=sys.stderr)
        if len(self.bad) > 12:
            print(f'error: and {len(self.bad) - 12} more', file=sys.stderr)
        for run, what in zip(self.runs, ('as it is:       ', 'with the series:')):
            status = list(run.status.values())
            print(f'{what} {len(status)} cases ran, {status.count("FAIL")} failed, '
                  f'{status.count("PASS")} passed, {status.count("SKIP")} skipped '
                  f'({run.log})')
        return not self.bad


def main():
    parser = argparse.ArgumentParser(
        description='What the suites saw, kernel by kernel')
    parser.add_argument('--tally', help='write the counts to this file')
    parser.add_argument('--own-boot', action='store_true',
                        help='list the cases that get a boot of their own')
    parser.add_argument('expect', help='the cases that a base has')
    parser.add_argument('unfixed', nargs='?', help='results of the kernel as it is')
    parser.add_argument('series', nargs='?', help='results with the series')
    args = parser.parse_args()

    expected = Expected(args.expect)
    if args.own_boot:
        print('\n'.join(expected.own_boot()))
        return 0
    judge = Judge(Run(args.unfixed), Run(args.series), args.expect)
    judge.table(expected)
    fine = judge.verdict()
    if args.tally:
        with open(args.tally, 'w', encoding='utf-8') as f:
            f.write(f'{judge.good} passed {len(judge.bad)} failed\n')
    return 0 if fine else 1


if __name__ == '__main__':
    sys.exit(main())

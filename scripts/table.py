#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Show what the suites saw on the unpatched kernel and with the series.

    table.py [--tally FILE] EXPECT UNFIXED SERIES
    table.py --own-boot EXPECT

EXPECT says which cases a base has (an INI file, see patches/6.1/expect).
UNFIXED and SERIES are results without suffix, see results.py; --own-boot lists the
cases that may hang a kernel.

Exits 0 if every expected case ran and did what it must: a bug is seen on the
unpatched kernel, nothing else went wrong there, and it is not seen with the
series; all other cases pass on both, without a word of trouble from the kernel,
and with the same calls if they show any ("stlb: SUITE.CASE: calls: how many, and
which"). With --tally, "N passed M failed" goes to FILE.
"""
import argparse
import sys

from results import MISTAKES, REFUSED, Expected, Run, conclude, paint, short

CELL = 6


class Judge:
    """Compares what two kernels saw with what they must have seen."""

    def __init__(self, unfixed, series, expect):
        self.runs = [unfixed, series]
        self.expect = expect
        self.good, self.bad, self.listed = 0, [], set()

    def check(self, suite, case, mistake=None, same=None):
        """The words for a case, kernel by kernel."""
        words = []
        self.listed.add((suite, case))
        for run, want in zip(self.runs, [mistake, mistake and 'coherent']):
            word = run.saw((suite, case), mistake)
            want = same or want or 'pass'
            if word == want:
                self.good += 1
            else:
                self.bad.append(f'{suite}.{case} is "{word}", not "{want}": '
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
                            [c for _, c, _ in expected.mistakes] +
                            [f'{short(s)} {c}' for s, c, _ in expected.same]))
        half = max(CELL * len(names), 18)
        print(f'\n{"":{width}}{"unpatched":{half}}with the series')
        if names:
            print(f'{"upgrade":{width}}' +
                  ''.join(f'{n:{CELL}}' for n in names * 2).rstrip())
        for case in expected.scenarios:
            seen = [self.check(d, case, 'stale') for d in expected.devices]
            row = [words[k] for k in range(2) for words in seen]
            print(f'{case:{width}}' + ''.join(map(paint, row, [CELL] * len(row))).rstrip())
        heading = None
        for suite, case, mistake in expected.mistakes:
            if suite != heading:
                heading = suite
                print(f'\n{short(suite)}:')
            row = self.check(suite, case, mistake)
            print(f'{case:{width}}' + ''.join(paint(w, half) for w in row).rstrip())
        if expected.same:
            print('\nwhat the series leaves alone, or is not there:')
        for suite, case, word in expected.same:
            row = self.check(suite, case, word if word in MISTAKES.values() else None,
                             same=word)
            print(f'{short(suite) + " " + case:{width}}' +
                  ''.join(paint(w, half) for w in row).rstrip())
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
                            'unpatched kernel')

    def verdict(self, tally):
        """Print what is wrong, and how much there was: the exit status."""
        for run in self.runs:
            for key in sorted(set(run.status) - self.listed):
                self.bad.append(f'{key[0]}.{key[1]} ran and is not expected: '
                                f'add it to {self.expect}')
            self.bad[:0] = run.splats
        status = conclude(self.good, self.bad, tally)
        for run, what in zip(self.runs, ('unpatched:      ', 'with the series:')):
            seen = list(run.status.values())
            print(f'{what} {len(seen)} cases ran, {seen.count("FAIL")} failed, '
                  f'{seen.count("PASS")} passed, {seen.count("SKIP")} skipped '
                  f'({run.log})')
        return status


def main():
    parser = argparse.ArgumentParser(
        description='What the suites saw, kernel by kernel')
    parser.add_argument('--tally', help='write the counts to this file')
    parser.add_argument('--own-boot', action='store_true',
                        help='list the cases that get a boot of their own')
    parser.add_argument('expect', help='the cases that a base has')
    parser.add_argument('unfixed', nargs='?', help='results of the unpatched kernel')
    parser.add_argument('series', nargs='?', help='results with the series')
    args = parser.parse_args()

    expected = Expected(args.expect)
    if args.own_boot:
        print('\n'.join(expected.own_boot()))
        return 0
    judge = Judge(Run(args.unfixed), Run(args.series), args.expect)
    judge.table(expected)
    return judge.verdict(args.tally)


if __name__ == '__main__':
    sys.exit(main())

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Show what scripts/soak has done.

    soak.py [--tally FILE] RESULTS STALE DEVICE...

RESULTS/KERNEL-DEVICE*.json and .log are kunit.py's for the suite stlb_soak_DEVICE on
KERNEL: stale, which is the kernel "unpatched", or what else STALE calls it, or series.
Exits 0 if each device saw a violation on the former, and none with the series, in the time that was asked for, without a word of
trouble from the kernel, and if there was some of every kind of change, and of memory
of every kind. With --tally, "N passed M failed" goes to FILE.
"""
import argparse
import collections
import glob
import re
import sys

from results import PANIC, SPLAT, Run, conclude

SEED = re.compile(r'stlb: soak: \w+: secondary_tlb_soak\.seed=(\d+)')
# How often something was done, or memory of a kind was there and left in peace.
COUNT = re.compile(r'stlb: soak: \w+: (?:op|kind) (\w+) (\d+)'
                   r'(?: of one piece (\d+) undisturbed)?')
ASKED = re.compile(r'secondary_tlb_soak\.seconds=(\d+)')
TOTAL = re.compile(r'stlb: soak: \w+: total (\d+) ms (\d+) changes (\d+) accesses '
                   r'(\d+) raced (\d+) refused')
WHAT = re.compile(r'stlb: stlb_soak_\w+\.soak: \w+: (.*)')


class Soak:
    """One boot, or several that were alike; why says what is wrong with it."""

    def __init__(self, paths, device, want):
        self.total, self.seeds, self.words, self.why = [0] * 5, [], [], []
        self.counts = collections.Counter()
        for path in paths:
            self.boot(path, device, want)
        if want == 'coherent':
            missing = sorted(name for name, n in self.counts.items() if not n)
            if not self.counts or missing:
                self.why.append(f'there was no {", ".join(missing) or "soak"}: {paths[-1]}.log')

    def boot(self, path, device, want):
        with open(path + '.log', encoding='utf-8', errors='replace') as f:
            log = f.read()
        word = Run(path).saw((f'stlb_soak_{device}', 'soak'), 'stale')
        seed, total, what = (r.search(log) for r in (SEED, TOTAL, WHAT))
        total = [int(n) for n in total.groups()] if total else [0] * 5
        self.total = [a + b for a, b in zip(self.total, total)]
        self.seeds.append(seed[1] if seed else 'none')
        self.words.append(word)
        for m in COUNT.finditer(log):
            for n in range(2, 4):
                if m[n]:
                    self.counts[m[1] + ('' if n == 2 else ' undisturbed')] += int(m[n])
        if word != want:
            self.why.append(f'"{word}", not "{want}": '
                            f'{what[1].strip() if what else "it says nothing"}: {path}.log')
        if want != 'coherent':
            return
        asked = [int(m[1]) for m in ASKED.finditer(log)]
        if word == want and asked and total[0] < 1000 * asked[0]:
            self.why.append(f'{total[0]} ms, not {asked[0]} s: {path}.log')
        splat = PANIC.search(log) or SPLAT.search(log)
        if splat:
            self.why.append(f'{splat[0].strip()}: {path}.log')


def main():
    parser = argparse.ArgumentParser(description='What the soaks have done')
    parser.add_argument('--tally', help='write the counts to this file')
    parser.add_argument('results', help='directory with the results')
    parser.add_argument('stale', help='what is wrong with the kernel that has to be')
    parser.add_argument('device', nargs='+')
    args = parser.parse_args()

    good, bad = 0, []
    print(f'\n{"soak":24}{"s":>6}{"changes":>10}{"/s":>8}{"accesses":>10}{"/s":>8}'
          f'{"raced":>8}  {"seed":12}saw')
    for kernel, want in ('stale', 'stale'), ('series', 'coherent'):
        for device in args.device:
            paths = sorted(p.removesuffix('.json') for p in glob.glob(
                f'{glob.escape(args.results)}/{kernel}-{device}*.json'))
            soak = Soak(paths, device, want)
            ms, changes, accesses, raced, _ = soak.total
            name = device + (f', {args.stale}' if kernel == 'stale' else '')
            print(f'{name:24}{ms / 1000:6.0f}{changes:10}{changes * 1000 // (ms or 1):8}'
                  f'{accesses:10}{accesses * 1000 // (ms or 1):8}{raced:8}  '
                  f'{(soak.seeds or ["none"])[0]:12}{" ".join(sorted(set(soak.words)))}')
            good += len(soak.words) if not soak.why else 0
            bad += [f'soak with {name}: {why}' for why in soak.why]
    return conclude(good, bad, args.tally)


if __name__ == '__main__':
    sys.exit(main())

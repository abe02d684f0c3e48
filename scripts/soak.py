#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Show what scripts/soak has done.

    soak.py [--tally FILE] RESULTS DEVICE...

RESULTS/KERNEL-DEVICE.json and .log are kunit.py's for the suite stlb_soak_DEVICE
on KERNEL, unfixed or series. Exits 0 if each of them saw a violation on the kernel
as it is, for no other reason than that, and none with the series, without a word of
trouble from the kernel. With --tally, "N passed M failed" goes to FILE.
"""
import argparse
import re
import sys

from results import PANIC, SPLAT, Run

SEED = re.compile(r'stlb: soak: \w+: secondary_tlb_soak\.seed=(\d+)')
OP = re.compile(r'stlb: soak: \w+: op (\w+) (\d+)')
TOTAL = re.compile(r'stlb: soak: \w+: total (\d+) ms (\d+) changes (\d+) accesses '
                   r'(\d+) raced (\d+) refused')
WHAT = re.compile(r'stlb: stlb_soak_\w+\.soak: \w+: (.*)')


class Soak:
    """One boot."""

    def __init__(self, path, device):
        self.log = path + '.log'
        key = f'stlb_soak_{device}', 'soak'
        self.word = Run(path).saw(key, 'stale')
        with open(self.log, encoding='utf-8', errors='replace') as f:
            log = f.read()
        splat = PANIC.search(log) or SPLAT.search(log)
        self.splat = splat and splat[0].strip()
        found = [r.search(log) for r in (SEED, TOTAL, WHAT)]
        self.seed = found[0] and found[0][1]
        self.total = [int(n) for n in found[1].groups()] if found[1] else [1] + [0] * 4
        self.what = found[2] and found[2][1].strip()
        self.ops = {m[1]: int(m[2]) for m in OP.finditer(log)}


def main():
    parser = argparse.ArgumentParser(description='What the soaks have done')
    parser.add_argument('--tally', help='write the counts to this file')
    parser.add_argument('results', help='directory with the results')
    parser.add_argument('device', nargs='+')
    args = parser.parse_args()

    good, bad = 0, []
    print(f'\n{"soak":24}{"s":>6}{"changes":>10}{"/s":>8}{"accesses":>10}{"/s":>8}'
          f'{"raced":>9}  {"seed":12}saw')
    for kernel, want in ('unfixed', 'stale'), ('series', 'coherent'):
        for device in args.device:
            soak = Soak(f'{args.results}/{kernel}-{device}', device)
            ms, changes, accesses, raced, _ = soak.total
            name = device + (', as it is' if kernel == 'unfixed' else '')
            print(f'{name:24}{ms / 1000:6.0f}{changes:10}{changes * 1000 // ms:8}'
                  f'{accesses:10}{accesses * 1000 // ms:8}{raced:9}  '
                  f'{soak.seed or "none":12}'
                  f'{"ok" if soak.word == "coherent" else soak.word}')
            missing = [op for op, n in soak.ops.items() if not n]
            why = (soak.splat or
                   (soak.word != want and f'"{soak.word}", not "{want}": {soak.what}') or
                   (kernel == 'series' and (not soak.ops and 'it says nothing' or
                                            missing and f'never did {", ".join(missing)}')))
            if why:
                bad.append(f'soak with {name}: {why}: {soak.log}')
            else:
                good += 1
    print()
    for line in bad:
        print(f'error: {line}', file=sys.stderr)
    if args.tally:
        with open(args.tally, 'w', encoding='utf-8') as f:
            f.write(f'{good} passed {len(bad)} failed\n')
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())

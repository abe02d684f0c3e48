#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tables, a CSV and a plot of what make bench measured.

    bench.py DIR TITLE LIMITS

DIR has two console logs of each kernel (KERNEL.1.log and KERNEL.2.log, with the
lines of bench/init.c) and the size of its text (KERNEL-CONFIG/text). Writes
bench.csv, bench-commands.csv and bench.png there.

What a fault costs is the mean over a round of faults, in the round that took
least: others had something in them that was not a fault.

Exits 1 if two runs differ by more than 0.1 instruction, or if the series costs
more than it may.

The kernel with the one-line fix is there only for bases that need it.
"""
import collections
import configparser
import csv
import os
import subprocess
import sys

KERNELS = {'unfixed': 'baseline', 'one-line': 'one line', 'series': 'series'}
WHO = {'none': 'nobody', 'start_end': 'start(), end()', 'interval': 'interval notifier',
       'kvm': 'KVM', 'empty': 'empty invalidate_range()', 'sva': 'SMMUv3 SVA'}
SIZES = {'pte': '4K page', 'thp': 'THP, 2M', '64k': 'hugetlb 64K', '2m': 'hugetlb 2M',
         '32m': 'hugetlb 32M'}
OPS = {'upgrade': 'upgrade', 'mprotect_ro': 'mprotect, read-only',
       'mprotect_rw': 'mprotect, read-write', 'fork': 'fork',
       'mremap': 'mremap', 'munmap': 'munmap', 'exit': 'exit'}
CONFIGS = {'off': 'MMU_NOTIFIER off', 'sva-off': 'MMU_NOTIFIER on, SVA off',
           'on': 'both on, with the tests'}
# Those who are not to pay: the file LIMITS says how much they may.
OTHERS = ('none', 'start_end', 'interval', 'kvm')
# How often the SMMU may be told of a translation for one operation: once; but
# fork() breaks a contiguous set before it makes it read-only, and invalidates the
# rest of the address space by the end.
MAY_REPEAT = collections.defaultdict(lambda: 1, {('fork', '64k'): 2, ('fork', '32m'): 2})
AGREE = 0.1


class Log:
    """What one boot said."""

    def __init__(self, path):
        self.cost = collections.defaultdict(lambda: float('inf'))
        self.faults = collections.Counter()
        self.cmds, self.srcu = {}, None
        with open(path, errors='replace') as f:
            for line in f:
                self.line(line.strip().split(','))

    def line(self, field):
        if field[0] != 'stlb':
            return
        if field[1] == 'cost':
            who, many, size, faults, instructions = field[2:]
            key = who, int(many), size
            self.faults[key] += int(faults)
            self.cost[key] = min(self.cost[key], int(instructions) / int(faults))
        elif field[1] == 'srcu':
            self.srcu = int(field[3]) / int(field[2])
        elif field[1] == 'cmds':
            self.cmds[tuple(field[2:4])] = tuple(map(int, field[4:]))


def table(title, head, rows, width=26):
    print(f'\n{title}')
    for name, *cells in [('', *head), *rows]:
        print(f'{name:26}' + ''.join(f'{cell:>{width}}' for cell in cells).rstrip())


def ratio(value, base):
    return f'{value:.1f} {value - base:+.1f} ×{value / base:.3f}'


def costs(log, keys, name):
    for key in keys:
        base = log['unfixed'].cost[key]
        yield (name(key), f'{base:.1f}',
               *(ratio(log[k].cost[key], base) for k in KERNELS if k != 'unfixed'))


def missing(runs):
    """Figures that a run does not have."""
    wanted = [(who, int(who != 'none'), size) for who in WHO for size in SIZES]
    wanted += [('sva', n, 'pte') for n in (2, 4, 8)]
    for kernel, logs in runs.items():
        for n, log in enumerate(logs, 1):
            yield from (f'{kernel}.{n}.log has no figure for {key}' for key in wanted
                        if key not in log.faults)
            yield from (f'{kernel}.{n}.log has no commands for {op}, {size}'
                        for op in OPS for size in SIZES if (op, size) not in log.cmds)
            if log.srcu is None:
                yield f'{kernel}.{n}.log has no figure for SRCU'


def differences(runs):
    """What two runs of a kernel do not agree on."""
    for kernel, (one, two) in runs.items():
        for key in one.cost.keys() | two.cost.keys():
            if not abs(one.cost[key] - two.cost[key]) <= AGREE:
                yield f'{kernel}, {key}: {one.cost[key]:.2f} and {two.cost[key]:.2f}'
        if abs(one.srcu - two.srcu) > AGREE:
            yield f'{kernel}, SRCU: {one.srcu} and {two.srcu}'
        if one.cmds != two.cmds:
            yield f'{kernel}: commands differ'


def write_csv(path, log):
    with open(path + '.csv', 'w', newline='') as f:
        out = csv.writer(f, lineterminator='\n')
        out.writerow(['kernel', 'subscriber', 'how many', 'size', 'faults',
                      'instructions per fault', 'ratio to the baseline'])
        for kernel in KERNELS:
            for key, cost in log[kernel].cost.items():
                out.writerow([kernel, *key, log[kernel].faults[key], f'{cost:.3f}',
                              f'{cost / log["unfixed"].cost[key]:.5f}'])
    with open(path + '-commands.csv', 'w', newline='') as f:
        out = csv.writer(f, lineterminator='\n')
        out.writerow(['kernel', 'operation', 'size', 'TLBI that reach the mapping',
                      'ATC_INV', 'CMD_SYNC', 'times that a page is invalidated'])
        for kernel in KERNELS:
            for key, counts in log[kernel].cmds.items():
                out.writerow([kernel, *key, *counts])


def plot(path, title, log):
    """Two blocks of data for gnuplot: by subscriber, and by number of them."""
    many = sorted({n for who, n, _ in log['unfixed'].cost if who == 'sva'})
    with open(path + '.dat', 'w') as f:
        for who in OTHERS:
            key = (who, int(who != 'none'), 'pte')
            print(f'"{WHO[who]}"', *(log[k].cost[key] for k in KERNELS), file=f)
        print('\n', file=f)
        for n in many:
            print(n, *(log[k].cost['sva', n, 'pte'] for k in KERNELS), file=f)
    script = os.path.join(os.path.dirname(__file__), '..', 'bench', 'plot.gp')
    subprocess.run(['gnuplot', '-e', f'data="{path}.dat"; image="{path}.png"; '
                    f'what="{title}"; kernels="{" ".join(KERNELS)}"', script], check=True)


def main(where, title, limits):
    may = configparser.ConfigParser(interpolation=None)
    may.read_file(open(limits))
    if not os.path.exists(f'{where}/one-line.1.log'):
        del KERNELS['one-line']
    runs = {k: [Log(f'{where}/{k}.{n}.log') for n in (1, 2)] for k in KERNELS}
    log = {k: one for k, (one, _) in runs.items()}
    lost = list(missing(runs))
    if lost:
        sys.exit(f'error: {lost[0]}, and {len(lost) - 1} more are missing: '
                 f'see the consoles in {where}')
    text = {}
    for config in CONFIGS:
        for kernel in ('unfixed', 'series'):
            with open(f'{where}/{kernel}-{config}/text') as f:
                text[kernel, config] = int(f.read())

    head = list(KERNELS.values())
    for size, size_name in SIZES.items():
        table(f'{title}: instructions per write fault that upgrades a mapping, {size_name}',
              head, costs(log, [(who, int(who != 'none'), size) for who in WHO],
                          lambda key: WHO[key[0]]))
    many = sorted(n for who, n, size in log['unfixed'].cost if (who, size) == ('sva', 'pte'))
    table(f'{title}: the same by the number of SVA subscribers, 4K page', head,
          costs(log, [('sva', n, 'pte') for n in many],
                lambda key: f'{key[1]} subscriber' + 's' * (key[1] > 1)))

    rows = []
    for kernel in list(KERNELS)[1:]:
        cost = log[kernel].cost
        none, empty = cost['none', 0, 'pte'], cost['empty', 1, 'pte']
        rows.append((KERNELS[kernel], f'{empty - none:.1f}', f'{log[kernel].srcu:.1f}',
                     f'{cost["sva", 1, "pte"] - empty:.1f}'))
    table('Where the instructions go with SVA, 4K page',
          ['notifier machinery', 'of that SRCU', 'driver, with commands'], rows)
    print('Machinery: an empty invalidate_range() less nobody. Driver: SVA less that.')

    for what, column in [('TLBI commands that reach the mapping', 0),
                         ('How often the page that is invalidated most often is invalidated', 3)]:
        table(f'SMMU with SVA. {what}: ' + ' / '.join(head), SIZES.values(),
              [(op_name, *(' / '.join(str(log[k].cmds[op, size][column]) for k in KERNELS)
                           for size in SIZES)) for op, op_name in OPS.items()], 14)

    table('Text of the kernel in bytes', [KERNELS['unfixed'], KERNELS['series'], 'more'],
          [(name, text['unfixed', c], text['series', c],
            f"{text['series', c] - text['unfixed', c]:+d}") for c, name in CONFIGS.items()])

    print('Each TLBI has a CMD_SYNC of its own. fork() has more of both, for other mappings.')
    if any(cmds[1] for k in KERNELS for cmds in log[k].cmds.values()):
        print('There are ATC_INV commands: QEMU has learnt something.')

    rows = []
    for who in OTHERS:
        limit = may['instructions'][who]
        over = {}
        for s in SIZES:
            base = log['unfixed'].cost[who, int(who != 'none'), s]
            allowed = base * float(limit[:-1]) / 100 if limit.endswith('%') else float(limit)
            more = log['series'].cost[who, int(who != 'none'), s] - base
            over[s] = round(more - allowed, 3), f'{more:+.1f} {more / base:+.1%}, {SIZES[s]}'
        worst = max(over, key=lambda s: over[s][0])
        rows.append((WHO[who], limit, *over[worst]))
    for config, limit in may['text'].items():
        more = text['series', config] - text['unfixed', config]
        rows.append((CONFIGS[config], limit, more - int(limit), f'{more:+d} bytes'))
    missed = [name for name, _, over, _ in rows if over > 0.05]
    twice = [f'{OPS[op]}, {SIZES[size]}: {cmds[3]} times'
             for (op, size), cmds in log['series'].cmds.items()
             if cmds[3] > MAY_REPEAT[op, size]]
    table('What the series may cost at most', ['limit', 'measured', ''],
          [(name, f'+{limit}', shown, 'ok' if name not in missed else 'TOO MUCH')
           for name, limit, value, shown in rows])
    if twice:
        print('\nToo often invalidated with the series:', *twice, sep='\n  ')

    different = list(differences(runs))
    figures = sum(len(l.cost) + 1 for l in log.values())
    if different:
        print('\nTwo runs of the same kernel differ:', *different, sep='\n  ')
    else:
        print(f'\nTwo runs of each kernel agree to {AGREE} instruction in all '
              f'{figures} figures.')
    write_csv(f'{where}/bench', log)
    plot(f'{where}/bench', title, log)
    print(*(f'{where}/bench{end}' for end in ('.csv', '-commands.csv', '.png')), sep='\n')
    return 1 if missed or different or twice else 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
